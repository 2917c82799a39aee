//! Exactly-once: a batch is one transaction, repeated until it is committed. Nothing else of the slot is sent meanwhile,
//! so that the seq stored in Kafka says of every batch whether it is there.

use std::time::Duration;

use tracing::{info, warn};

use super::backoff::Backoff;
use super::lane::{Ended, Lane, Shipment, unless_over};
use crate::kafka::Ledger;
use crate::kafka::at_least_once::{Verdict, judge};
use crate::kafka::exactly_once::Trouble;
use crate::kafka::reports::Failure;
use crate::queue::Batch;
use crate::stats::Counter;
use rdkafka::error::RDKafkaErrorCode;

/// How often a probe is repeated that says nothing of its lines. After a refused record batch librdkafka 2.12 goes on
/// with sequence numbers that the broker has not seen, and mends that only when it is told that they are out of order.
const PROBES_AGAIN: u32 = 3;

/// How long to wait for a chunk to be finished after the last one was: longer than brokers take to elect leaders.
const NO_REPORT: Duration = Duration::from_secs(30);

/// How a transaction is meant to end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Purpose {
    Commit,
    /// Always aborted: it only shows what Kafka refuses.
    Probe,
}

/// What is known of a transaction that was not committed.
struct Failed {
    /// The lines that Kafka named.
    lines: Vec<Failure>,
    code: RDKafkaErrorCode,
}

impl Failed {
    /// An abort takes along what was not sent yet: that says nothing about those lines.
    fn new(failures: Vec<Failure>, trouble: Option<&Trouble>) -> Self {
        let is_purged = |failure: &Failure| {
            matches!(failure.code, RDKafkaErrorCode::PurgeQueue | RDKafkaErrorCode::PurgeInflight)
        };
        let lines: Vec<Failure> = failures.into_iter().filter(|failure| !is_purged(failure)).collect();
        // What was sent behind a record batch that is refused is out of sequence: that is no reason of its own.
        let is_refused = |failure: &&Failure| judge(failure.code) == Verdict::Refused;
        let named = lines.iter().find(is_refused).or(lines.first()).map(|failure| failure.code);
        let code = named.or_else(|| trouble?.code());
        Self { lines, code: code.unwrap_or(RDKafkaErrorCode::Unknown) }
    }
}

impl Lane {
    /// Whether Kafka has a batch already, as it does when its worker died between the commit and the acknowledgement.
    pub(super) fn has_committed(&self, batch: &Batch) -> bool {
        self.ledger.as_ref().and_then(Ledger::stored).is_some_and(|stored| batch.seq <= stored)
    }

    /// Keeps the stored seq from expiring while there is nothing to do.
    pub(super) async fn store_again(&mut self) -> Result<(), Ended> {
        let Self { ledger: Some(ledger), publisher, worker, .. } = self else { return Ok(()) };
        let Some(seq) = ledger.stored().filter(|_| ledger.is_old()) else { return Ok(()) };
        if let Err(trouble) = worker.exactly_once.store(ledger, publisher, seq).await {
            info!(slot = self.slot.number(), %trouble, "the stored seq was not stored again");
            self.renew().await?;
        }
        Ok(())
    }

    /// Brings a shipment to its end.
    pub(super) async fn transact(&mut self, mut shipment: Shipment) -> Result<(), Ended> {
        let mut backoff = Backoff::new();
        let mut groups = vec![shipment.draft.to_send()];
        loop {
            for group in &mut groups {
                group.retain(|&line| shipment.draft.is_to_send(line));
            }
            groups.retain(|group| !group.is_empty());
            // A batch of which nothing is left to send is done with as it is.
            if groups.is_empty() || self.has_committed(&shipment.batch) {
                return self.acknowledge(shipment).await;
            }
            if let Some(failed) = self.attempt(&mut shipment, &groups, Purpose::Commit).await? {
                self.mend(&mut shipment, &mut groups, &failed, &mut backoff).await?;
            }
        }
    }

    /// Sends groups of lines in one transaction, one group after the other; gives what went wrong. What it began is
    /// committed or aborted when it returns, or its producer is gone.
    async fn attempt(
        &mut self,
        shipment: &mut Shipment,
        groups: &[Vec<usize>],
        purpose: Purpose,
    ) -> Result<Option<Failed>, Ended> {
        if let Err(trouble) = self.ledger().begin(&self.publisher) {
            return self.after(trouble, shipment.tally).await.map(Some);
        }
        fail::fail_point!("begun");
        for group in groups {
            self.send(shipment, group).await;
            let is_reported = self.wait_for_reports(shipment.tally).await?;
            let failures = self.publisher.reports().take_failures(shipment.tally);
            if !is_reported || !failures.is_empty() {
                // Asked before the abort, which forgets it.
                let trouble = self.unless_over(self.ledger().failure(&self.publisher)).await?;
                let failed = Failed::new(failures, trouble.as_ref());
                self.abort(shipment.tally).await?;
                return Ok(Some(failed));
            }
        }
        if purpose == Purpose::Probe {
            self.abort(shipment.tally).await?;
            return Ok(None);
        }
        fail::fail_point!("sent");
        let Self { ledger: Some(ledger), publisher, stop, slot, .. } = self else {
            unreachable!("it delivers exactly once")
        };
        let tally = shipment.tally;
        let commit = ledger.commit(publisher, shipment.batch.seq);
        match unless_over(stop, slot, commit).await? {
            Ok(()) => Ok(None),
            Err(trouble) => self.after(trouble, tally).await.map(Some),
        }
    }

    /// Whether every line was reported. Gives up when no chunk was finished for a while: what waits for a broker that has
    /// gone is sooner sent in another transaction.
    async fn wait_for_reports(&self, tally: usize) -> Result<bool, Ended> {
        let reports = self.publisher.reports();
        let mut unfinished = reports.unfinished(tally);
        while unfinished > 0 {
            let waited = tokio::time::timeout(NO_REPORT, self.wait_for_report()).await;
            let now = reports.unfinished(tally);
            match waited {
                Ok(waited) => waited?,
                Err(_) if now == unfinished => return Ok(false),
                Err(_) => {}
            }
            unfinished = now;
        }
        Ok(true)
    }

    /// Aborts what can be aborted. Otherwise only a new producer can tell how it ended: its initialisation ends it, and
    /// then the stored seq is that of the last batch that Kafka has.
    async fn after(&mut self, trouble: Trouble, tally: usize) -> Result<Failed, Ended> {
        let failed = Failed::new(Vec::new(), Some(&trouble));
        match trouble {
            Trouble::Abort(_) => self.abort(tally).await?,
            other => {
                info!(slot = self.slot.number(), error = %other, "starting the producer of the slot anew");
                self.renew().await?;
            }
        }
        Ok(failed)
    }

    /// Ends a transaction that is not to be committed. Messages without a report are purged, and so reported.
    async fn abort(&mut self, tally: usize) -> Result<(), Ended> {
        let aborted = self.unless_over(self.ledger().abort(&self.publisher)).await?;
        let is_over = match aborted {
            Ok(()) => self.wait_for_reports(tally).await?,
            Err(error) => {
                info!(slot = self.slot.number(), %error, "not aborted");
                false
            }
        };
        if is_over {
            drop(self.publisher.reports().take_failures(tally));
            return Ok(());
        }
        info!(slot = self.slot.number(), "starting the producer of the slot anew");
        self.renew().await
    }

    /// Does what is needed before the same batch is sent again.
    async fn mend(
        &mut self,
        shipment: &mut Shipment,
        groups: &mut Vec<Vec<usize>>,
        failed: &Failed,
        backoff: &mut Backoff,
    ) -> Result<(), Ended> {
        let lines = groups.concat();
        self.stats.count(Counter::Failed, lines.len() as u64);
        if judge(failed.code) == Verdict::Refused {
            *groups = self.find_refused(shipment, lines).await?;
            return Ok(());
        }
        let pause = backoff.pause();
        if backoff.is_worth_telling() {
            warn!(lines = lines.len(), code = %failed.code, "a transaction failed, sending its batch again");
        }
        self.pause(pause).await?;
        if self.has_committed(&shipment.batch) {
            return Ok(());
        }
        if failed.lines.is_empty() && matches!(judge(failed.code), Verdict::NoTopic | Verdict::NotPermitted) {
            self.try_topics_singly(shipment, &lines).await?;
        }
        for failure in &failed.lines {
            self.judge_topic(shipment, failure.line, failure.code);
        }
        self.look_topics_up(shipment).await
    }

    fn judge_topic(&self, shipment: &Shipment, line: usize, code: RDKafkaErrorCode) {
        let topic = shipment.draft.topic_of(line);
        match judge(code) {
            Verdict::NotPermitted => self.worker.topics.refuse(topic, code),
            // Also after a time-out: librdkafka asks for the partitions of a topic that has gone until then.
            _ => self.worker.topics.forget(topic),
        }
    }

    /// A transaction may be refused for one of its topics without a word on which.
    async fn try_topics_singly(&mut self, shipment: &mut Shipment, lines: &[usize]) -> Result<(), Ended> {
        let mut firsts: Vec<usize> = Vec::new();
        for &line in lines {
            let is_new = |first: &usize| shipment.draft.topic_of(*first) != shipment.draft.topic_of(line);
            if firsts.iter().all(is_new) {
                firsts.push(line);
            }
        }
        for line in firsts {
            if let Some(failed) = self.attempt(shipment, &[vec![line]], Purpose::Probe).await? {
                self.judge_topic(shipment, line, failed.code);
            }
        }
        Ok(())
    }

    /// Finds the lines that Kafka refuses, and rejects them; gives groups of the others, each of which it has taken. A
    /// group that was refused is halved. All of it is aborted, so that no line is seen without the rest of its batch.
    async fn find_refused(
        &mut self,
        shipment: &mut Shipment,
        lines: Vec<usize>,
    ) -> Result<Vec<Vec<usize>>, Ended> {
        let mut suspects = halves(lines);
        let mut taken = Vec::new();
        let mut rejected = 0;
        let mut other_failures = 0;
        while let Some(group) = suspects.pop() {
            let failed = self.attempt(shipment, std::slice::from_ref(&group), Purpose::Probe).await?;
            let verdict = failed.as_ref().map(|failed| judge(failed.code));
            other_failures =
                if matches!(verdict, None | Some(Verdict::Refused)) { 0 } else { other_failures + 1 };
            match (failed, group.as_slice()) {
                (None, _) => taken.push(group),
                (Some(failed), &[line]) if verdict == Some(Verdict::Refused) => {
                    self.reject_refused(shipment, Failure { line, code: failed.code }).await?;
                    rejected += 1;
                }
                (Some(_), _) if verdict == Some(Verdict::Refused) => suspects.extend(halves(group)),
                (Some(_), _) => {
                    suspects.push(group);
                    if other_failures > PROBES_AGAIN {
                        // Something else is wrong by now: that is mended when all are sent again.
                        break;
                    }
                }
            }
        }
        if rejected == 0 && suspects.is_empty() && taken.len() > 1 {
            warn!(
                "kafka refuses record batches as too large: a smaller KAFKA_PROPERTY_BATCH_SIZE spares the search"
            );
        }
        taken.extend(suspects);
        Ok(taken)
    }

    fn ledger(&self) -> &Ledger {
        self.ledger.as_ref().expect("a lane that begins transactions has one")
    }
}

fn halves(mut lines: Vec<usize>) -> Vec<Vec<usize>> {
    let second = lines.split_off(lines.len() / 2);
    [lines, second].into_iter().filter(|half| !half.is_empty()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_an_abort_takes_along_is_not_taken_for_the_reason() {
        let failure = |line, code| Failure { line, code };
        let failed = Failed::new(
            vec![failure(0, RDKafkaErrorCode::PurgeQueue), failure(1, RDKafkaErrorCode::InvalidRecord)],
            None,
        );
        assert_eq!(failed.code, RDKafkaErrorCode::InvalidRecord);
        assert_eq!(failed.lines, [failure(1, RDKafkaErrorCode::InvalidRecord)]);
    }

    #[test]
    fn halves_hold_every_line_once() {
        assert_eq!(halves(vec![1, 2, 3]), [vec![1], vec![2, 3]]);
        assert_eq!(halves(vec![1]), [vec![1]]);
    }
}
