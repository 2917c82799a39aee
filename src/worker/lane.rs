//! A lane: one slot and one producer. It reserves a batch, enriches it, hands it to Kafka, and while that is delivered
//! goes on with the next; what has been delivered it acknowledges.
//!
//! All of this is one task, so that nobody else ever touches the slot, the producer or the batches under way.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;
use tracing::{info, warn};

use super::backoff::Backoff;
use super::draft::{Draft, Enriching};
use super::stop::Stop;
use super::{Source, Worker, WorkerError};
use crate::enrich::DeviceCache;
use crate::kafka::{Ledger, Publisher};
use crate::payload::{Reason, Rejection};
use crate::queue::slot::Error;
use crate::queue::{Batch, Reservation, Slot};
use crate::stats::histogram::Distribution;
use crate::stats::sample::MESSAGES_A_BATCH;
use crate::stats::{Counter, Stats};

mod start;

pub(super) use start::NotStarted;
use start::take_slot;

/// Batches under way in a lane: while one is enriched the others travel.
pub(super) const BATCHES_UNDER_WAY: usize = 4;
/// With this many bytes under way nothing more is reserved: lines can be 100 kB.
const BYTES_UNDER_WAY: usize = 8 * 1024 * 1024;
/// What all drafts of a lane that are done with may keep of their memory.
const KEPT_BYTES: usize = 16 * 1024 * 1024;
/// How often a lane of a paused queue looks.
const PAUSED_LOOK: Duration = Duration::from_secs(1);
/// From this take-over on, each line is put on record before it is enriched.
const SUSPICIOUS_TAKEOVERS: u32 = 3;

/// Why a lane stops what it is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Ended {
    /// The slot may be another's by now: whatever is under way is his to send again.
    LeaseLost,
    /// The worker is to stop, and has done so or takes too long.
    Stopped,
    /// Redis came back as another, or with batches that it had forgotten: what is under way has been finished.
    Strange,
    /// Nobody knows any more which batches of the slot Kafka has.
    SeqMissing,
}

/// A batch on its way to Kafka.
pub(super) struct Shipment {
    pub batch: Batch,
    pub draft: Draft,
    pub tally: usize,
    pub sent_at: Instant,
}

pub(super) struct Lane {
    pub worker: Arc<Worker>,
    pub stop: Stop,
    pub slot: Slot,
    pub publisher: Publisher,
    pub stats: Arc<Stats>,
    /// Where it delivers exactly once.
    pub ledger: Option<Ledger>,
    pub under_way: VecDeque<Shipment>,
    free_tallies: Vec<usize>,
    device_cache: DeviceCache,
    /// Drafts whose memory is used again.
    done: Vec<Draft>,
}

/// Works in one slot after another until it is to stop.
///
/// # Errors
/// When what is promised is not permitted, and never was since the worker started.
pub(super) async fn run(worker: Arc<Worker>, source: Arc<Source>, stop: Stop) -> Result<(), WorkerError> {
    let mut backoff = Backoff::new();
    while !stop.is_requested() {
        let Some(slot) = take_slot(&source, &stop).await else { break };
        let mut lane = match Lane::start(&worker, &source, slot, worker.delivery, &stop).await {
            Ok(lane) => lane,
            Err(NotStarted::Stopped) => break,
            Err(NotStarted::LeaseLost) => continue,
            Err(NotStarted::Refused(trouble)) if worker.has_delivered_as_promised() => {
                warn!(%trouble, "lines wait in redis");
                wait(backoff.pause(), &stop).await;
                continue;
            }
            Err(NotStarted::Refused(trouble)) => return Err(WorkerError::Setting(trouble.to_string())),
        };
        worker.note_delivery_as_promised();
        let ended = lane.work(&source).await;
        lane.end().await;
        let server = source.server.name();
        match ended {
            Ended::LeaseLost => warn!(server, "lease lost, starting over in another slot"),
            Ended::Strange => {
                warn!(server, "redis lost what it had acknowledged, starting over in another slot")
            }
            Ended::SeqMissing | Ended::Stopped => {}
        }
    }
    Ok(())
}

async fn wait(pause: Duration, stop: &Stop) {
    tokio::select! {
        () = tokio::time::sleep(pause) => {}
        () = stop.requested() => {}
    }
}

impl Lane {
    /// Destroys the producer, then gives the slot up: in that order, since whoever takes the slot over must find
    /// nobody who still sends from it.
    pub async fn end(self) {
        release(self.into_slot().await).await;
    }

    /// Destroys the producer; the slot stays leased.
    pub async fn into_slot(self) -> Slot {
        self.publisher.stop().await;
        self.slot
    }

    async fn work(&mut self, source: &Source) -> Ended {
        loop {
            match self.step(source).await {
                Ok(()) if self.stop.is_requested() => {
                    return self.drain().await.err().unwrap_or(Ended::Stopped);
                }
                Ok(()) => {}
                Err(ended) => return ended,
            }
        }
    }

    async fn step(&mut self, source: &Source) -> Result<(), Ended> {
        self.finish_delivered().await?;
        if !self.has_room() {
            return self.wait_for_report().await;
        }
        self.store_again().await?;
        let (batch_size, delivery) = (self.worker.batch_size, self.worker.delivery);
        match self.persist("reserve", async |slot| slot.reserve(batch_size, delivery).await).await? {
            Reservation::Batch(batch) => {
                fail::fail_point!("reserved");
                self.ship(batch).await
            }
            Reservation::Empty => self.wait_for(source.idle.wait()).await,
            Reservation::Paused => self.wait_for(tokio::time::sleep(PAUSED_LOOK)).await,
            Reservation::Strange => {
                self.drain().await?;
                Err(Ended::Strange)
            }
        }
    }

    fn has_room(&self) -> bool {
        let bytes: usize = self.under_way.iter().map(|shipment| shipment.draft.bytes()).sum();
        !self.free_tallies.is_empty() && bytes < BYTES_UNDER_WAY
    }

    /// Finishes what is under way.
    pub async fn drain(&mut self) -> Result<(), Ended> {
        loop {
            self.finish_delivered().await?;
            if self.under_way.is_empty() {
                return Ok(());
            }
            self.wait_for_report().await?;
        }
    }

    /// Waits until a batch is complete, or `other` is ready, or the worker is to stop.
    async fn wait_for(&self, other: impl Future<Output = ()>) -> Result<(), Ended> {
        tokio::select! {
            () = self.publisher.reports().finished() => Ok(()),
            () = other => Ok(()),
            () = self.stop.requested() => Ok(()),
            () = self.slot.lease().lost() => Err(Ended::LeaseLost),
        }
    }

    /// Waits until a batch is complete.
    pub async fn wait_for_report(&self) -> Result<(), Ended> {
        self.unless_over(self.publisher.reports().finished()).await
    }

    /// Enriches a batch and hands it to Kafka.
    pub async fn ship(&mut self, batch: Batch) -> Result<(), Ended> {
        let started_at = Instant::now();
        let lines = self.persist("read", async |slot| slot.read(&batch).await).await?;
        let read_at = Instant::now();
        fail::fail_point!("read");
        let mut draft = self.enrich(&batch, &lines).await?;
        self.stats.measure(Distribution::Read, (read_at - started_at).as_secs_f64());
        self.stats.measure(Distribution::Enrich, read_at.elapsed().as_secs_f64());
        fail::fail_point!("enriched");
        let raw = |index| line_at(&lines, index);
        self.reject_strays(&mut draft, raw).await?;
        fail::fail_point!("looked_up");
        self.move_rejected(&batch, &mut draft).await?;
        fail::fail_point!("rejected");
        drop(lines);
        let Some(tally) = self.free_tallies.pop() else {
            unreachable!("a batch is reserved only where there is room for it");
        };
        let mut shipment = Shipment { batch, draft, tally, sent_at: Instant::now() };
        if self.ledger.is_some() {
            return self.transact(shipment).await;
        }
        let to_send = shipment.draft.to_send();
        self.send(&mut shipment, &to_send).await;
        fail::fail_point!("sent");
        self.under_way.push_back(shipment);
        Ok(())
    }

    async fn enrich(&mut self, batch: &Batch, lines: &[(usize, Vec<u8>)]) -> Result<Draft, Ended> {
        let worker = Arc::clone(&self.worker);
        let is_suspicious = batch.entry.takeovers >= SUSPICIOUS_TAKEOVERS;
        let mut draft = Draft::reusing(self.done.pop().unwrap_or_default());
        for (index, raw) in lines {
            if batch.convicted == Some(*index) {
                let rejection = Rejection::new(Reason::Crash, "two workers in a row ended at this line");
                draft.add_rejected(*index, &rejection, raw);
                continue;
            }
            if is_suspicious {
                self.persist("suspect", async |slot| slot.suspect(batch, Some(*index)).await).await?;
            }
            fail::fail_point!(
                "enriching",
                raw.windows(8).any(|word| word == b"crash-me"),
                |_| unreachable!()
            );
            let mut enriching = Enriching {
                enricher: &worker.enricher,
                cache: &mut self.device_cache,
                prefix: &worker.topic_prefix,
                reserved_at: batch.reserved_at(),
            };
            draft.add(&mut enriching, *index, raw);
        }
        if batch.convicted.is_some() {
            // First, so that the line is not sent to its doom again when this worker ends now.
            self.move_rejected(batch, &mut draft).await?;
        }
        if is_suspicious {
            self.persist("suspect", async |slot| slot.suspect(batch, None).await).await?;
        }
        let (hits, misses) = self.device_cache.take_counts();
        self.stats.count(Counter::CacheHits, hits);
        self.stats.count(Counter::CacheMisses, misses);
        Ok(draft)
    }

    /// Hands lines of a shipment to Kafka.
    pub async fn send(&mut self, shipment: &mut Shipment, lines: &[usize]) {
        let messages = lines.iter().map(|&line| {
            fail::fail_point!("sending");
            shipment.draft.outgoing(line)
        });
        let Self { publisher, slot, stop, .. } = self;
        let gives_up = || slot.lease().is_lost() || stop.is_overdue();
        publisher.send(shipment.tally, shipment.draft.messages(), messages, gives_up).await;
    }

    /// Acknowledges what has been delivered, and settles what has not.
    async fn finish_delivered(&mut self) -> Result<(), Ended> {
        let reports = self.publisher.reports();
        let mut troubled = Vec::new();
        let mut delivered = Vec::new();
        let mut still = VecDeque::new();
        for shipment in self.under_way.drain(..) {
            if !reports.is_complete(shipment.tally) {
                still.push_back(shipment);
                continue;
            }
            match reports.take_failures(shipment.tally) {
                failures if failures.is_empty() => delivered.push(shipment),
                failures => troubled.push((shipment, failures)),
            }
        }
        self.under_way = still;
        for shipment in delivered {
            fail::fail_point!("delivered");
            self.acknowledge(shipment).await?;
        }
        if troubled.is_empty() {
            return Ok(());
        }
        // What failed is settled alone in the lane: only then does a refusal point at what was sent.
        while !self.under_way.is_empty() {
            self.wait_for_report().await?;
            Box::pin(self.finish_delivered()).await?;
        }
        for (shipment, failures) in troubled {
            self.settle(shipment, failures).await?;
        }
        Ok(())
    }

    pub async fn acknowledge(&mut self, shipment: Shipment) -> Result<(), Ended> {
        let topics = shipment.draft.by_topic();
        self.persist("acknowledge", async |slot| slot.acknowledge(&shipment.batch, &topics).await).await?;
        fail::fail_point!("acknowledged");
        let lines = topics.iter().map(|count| count.lines).sum();
        let sample = shipment.draft.sample(MESSAGES_A_BATCH);
        self.stats.count_batch(lines, shipment.sent_at.elapsed(), sample);
        self.free_tallies.push(shipment.tally);
        let kept: usize = self.done.iter().map(Draft::bytes).sum();
        if kept + shipment.draft.bytes() <= KEPT_BYTES {
            self.done.push(shipment.draft);
        }
        Ok(())
    }

    /// Calls Redis until it answers: each of our calls may be repeated. Ends with the lease, or when a stop takes too
    /// long. A call that is under way is never dropped.
    pub async fn persist<T>(
        &mut self,
        what: &'static str,
        mut call: impl AsyncFnMut(&mut Slot) -> Result<T, Error>,
    ) -> Result<T, Ended> {
        let mut backoff = Backoff::new();
        loop {
            match call(&mut self.slot).await {
                Ok(answer) => return Ok(answer),
                Err(Error::LeaseLost) => return Err(Ended::LeaseLost),
                Err(error) => {
                    let pause = backoff.pause();
                    if backoff.is_worth_telling() {
                        warn!(server = self.slot.server().name(), what, %error, "redis failed, trying again");
                    }
                    self.pause(pause).await?;
                }
            }
        }
    }

    /// Sleeps, unless the lease or the time to stop runs out.
    pub async fn pause(&self, pause: Duration) -> Result<(), Ended> {
        self.unless_over(tokio::time::sleep(pause)).await
    }

    /// Waits for a call, unless the lease or the time to stop runs out.
    pub async fn unless_over<T>(&self, call: impl Future<Output = T>) -> Result<T, Ended> {
        unless_over(&self.stop, &self.slot, call).await
    }
}

/// Waits for a call, unless the lease or the time to stop runs out.
pub(super) async fn unless_over<T>(
    stop: &Stop,
    slot: &Slot,
    call: impl Future<Output = T>,
) -> Result<T, Ended> {
    tokio::select! {
        answer = call => Ok(answer),
        () = stop.overdue() => Err(Ended::Stopped),
        () = slot.lease().lost() => Err(Ended::LeaseLost),
    }
}

pub(super) async fn release(slot: Slot) {
    if let Err(error) = slot.release().await {
        info!(%error, "slot not released, its lease will run out");
    }
}

/// A line by its place in the batch.
pub(super) fn line_at(lines: &[(usize, Vec<u8>)], index: usize) -> Option<&[u8]> {
    let place = lines.binary_search_by_key(&index, |(place, _)| *place).ok()?;
    Some(&lines[place].1)
}
