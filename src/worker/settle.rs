//! What was not delivered at once: sent again, halved until the refused line is found, rejected.

use tracing::{info, warn};

use super::backoff::Backoff;
use super::lane::{Ended, Lane, Shipment, line_at};
use crate::kafka::at_least_once::{Verdict, judge};
use crate::kafka::reports::Failure;
use crate::stats::Counter;

impl Lane {
    /// Brings a shipment to its end while nothing else is under way in the lane. Lines are sent again with the bytes
    /// they had, in smaller and smaller groups where Kafka refuses them for what is in them; one that is refused when
    /// it was sent alone is rejected.
    pub(super) async fn settle(
        &mut self,
        mut shipment: Shipment,
        failures: Vec<Failure>,
    ) -> Result<(), Ended> {
        let mut backoff = Backoff::new();
        let mut groups = Vec::new();
        // It was sent beside other batches: nothing in it was alone yet.
        self.sort_out(&mut shipment, false, failures, &mut groups, &mut backoff).await?;
        while let Some(group) = groups.pop() {
            let group: Vec<usize> =
                group.into_iter().filter(|&line| shipment.draft.is_to_send(line)).collect();
            self.send(&mut shipment, &group).await;
            while !self.publisher.reports().is_complete(shipment.tally) {
                self.wait_for_report().await?;
            }
            let failures = self.publisher.reports().take_failures(shipment.tally);
            let was_alone = group.len() == 1;
            self.sort_out(&mut shipment, was_alone, failures, &mut groups, &mut backoff).await?;
        }
        self.acknowledge(shipment).await
    }

    /// Says what happens next to each line that failed.
    async fn sort_out(
        &mut self,
        shipment: &mut Shipment,
        was_alone: bool,
        failures: Vec<Failure>,
        groups: &mut Vec<Vec<usize>>,
        backoff: &mut Backoff,
    ) -> Result<(), Ended> {
        let Some(first) = failures.first().copied() else { return Ok(()) };
        self.stats.count(Counter::Failed, failures.len() as u64);
        let (refused, others): (Vec<Failure>, Vec<Failure>) =
            failures.into_iter().partition(|failure| judge(failure.code) == Verdict::Refused);

        if was_alone && !refused.is_empty() {
            self.reject_refused(shipment, first).await?;
        } else if !refused.is_empty() {
            let refused: Vec<usize> = refused.iter().map(|failure| failure.line).collect();
            let (left, right) = refused.split_at(refused.len() / 2);
            groups.extend([left, right].into_iter().filter(|half| !half.is_empty()).map(<[usize]>::to_vec));
        }
        if !others.is_empty() {
            self.prepare_again(shipment, &others, backoff).await?;
            groups.push(others.iter().map(|failure| failure.line).collect());
        }
        Ok(())
    }

    pub(super) async fn reject_refused(
        &mut self,
        shipment: &mut Shipment,
        failure: Failure,
    ) -> Result<(), Ended> {
        info!(code = %failure.code, "kafka refuses a line, rejecting it");
        let batch = shipment.batch.clone();
        let lines = self.persist("read", async |slot| slot.read(&batch).await).await?;
        let detail = failure.code.to_string();
        shipment.draft.reject_line(failure.line, &detail, |index| line_at(&lines, index));
        self.move_rejected(&batch, &mut shipment.draft).await
    }

    /// Waits, and has the topics looked up anew where it was they that failed.
    async fn prepare_again(
        &mut self,
        shipment: &mut Shipment,
        failures: &[Failure],
        backoff: &mut Backoff,
    ) -> Result<(), Ended> {
        let mut is_topic = false;
        let mut is_fatal = false;
        for failure in failures {
            let topic = shipment.draft.topic_of(failure.line);
            match judge(failure.code) {
                Verdict::NoTopic => self.worker.topics.forget(topic),
                Verdict::NotPermitted => self.worker.topics.refuse(topic, failure.code),
                Verdict::Fatal => is_fatal = true,
                Verdict::Refused | Verdict::Again => {}
            }
            is_topic |= matches!(judge(failure.code), Verdict::NoTopic | Verdict::NotPermitted);
        }
        let pause = backoff.pause();
        if backoff.is_worth_telling() {
            let lines = failures.len();
            warn!(lines, code = %failures[0].code, "kafka did not take lines, sending them again");
        }
        self.pause(pause).await?;
        if is_fatal {
            self.renew().await?;
        }
        if is_topic {
            self.look_topics_up(shipment).await?;
        }
        Ok(())
    }

    /// Rejects the lines of a shipment whose topics have turned out to be stray.
    pub(super) async fn look_topics_up(&mut self, shipment: &mut Shipment) -> Result<(), Ended> {
        let batch = shipment.batch.clone();
        let lines = self.persist("read", async |slot| slot.read(&batch).await).await?;
        self.reject_strays(&mut shipment.draft, |index| line_at(&lines, index)).await?;
        self.move_rejected(&batch, &mut shipment.draft).await
    }
}
