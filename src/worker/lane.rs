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
use super::{Source, Worker};
use crate::enrich::DeviceCache;
use crate::kafka::Publisher;
use crate::payload::{Reason, Rejection};
use crate::queue::slot::Error;
use crate::queue::{Batch, Reservation, Slot};

/// Batches under way in a lane: enough for librdkafka to make large record batches of them.
pub(super) const BATCHES_UNDER_WAY: usize = 8;
/// With this many bytes under way nothing more is reserved: lines can be 100 kB.
const BYTES_UNDER_WAY: usize = 8 * 1024 * 1024;
/// A larger draft's memory is given back.
const KEPT_BYTES: usize = 1024 * 1024;
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
    pub under_way: VecDeque<Shipment>,
    free_tallies: Vec<usize>,
    device_cache: DeviceCache,
    /// Drafts whose memory is used again.
    done: Vec<Draft>,
}

/// Works in one slot after another until it is to stop.
pub(super) async fn run(worker: Arc<Worker>, source: Arc<Source>, stop: Stop) {
    while !stop.is_requested() {
        let Some(slot) = take_slot(&source, &stop).await else { break };
        let Some(mut lane) = Lane::start(&worker, &source, slot, &stop).await else { break };
        let ended = lane.work(&source).await;
        lane.end().await;
        if ended == Ended::LeaseLost {
            warn!(server = source.server.name(), "lease lost, starting over in another slot");
        }
    }
}

async fn take_slot(source: &Source, stop: &Stop) -> Option<Slot> {
    let mut backoff = Backoff::new();
    loop {
        match Slot::take(&source.server).await {
            Ok(slot) => return Some(slot),
            Err(error) => {
                let pause = backoff.pause();
                if backoff.is_worth_telling() {
                    warn!(server = source.server.name(), %error, "no slot to be had, trying again");
                }
                tokio::select! {
                    () = tokio::time::sleep(pause) => {}
                    () = stop.requested() => return None,
                }
            }
        }
    }
}

impl Lane {
    /// Starts a producer for a slot and waits until Kafka answers; nothing when the worker is to stop before.
    pub async fn start(worker: &Arc<Worker>, source: &Source, slot: Slot, stop: &Stop) -> Option<Self> {
        source.keep(slot.lease());
        let mut backoff = Backoff::new();
        loop {
            // The configuration was tried when the worker started: what fails here is memory or threads.
            match Publisher::start(&worker.producer, BATCHES_UNDER_WAY).await {
                Ok(publisher) => {
                    let lane = Self {
                        worker: Arc::clone(worker),
                        stop: stop.clone(),
                        slot,
                        publisher,
                        under_way: VecDeque::new(),
                        free_tallies: (0..BATCHES_UNDER_WAY).collect(),
                        device_cache: DeviceCache::default(),
                        done: Vec::new(),
                    };
                    return lane.wait_for_kafka().await;
                }
                Err(error) => {
                    warn!(%error, "no producer to be had, trying again");
                    tokio::time::sleep(backoff.pause()).await;
                    if stop.is_requested() {
                        return None;
                    }
                }
            }
        }
    }

    /// What is reserved while Kafka is away only waits in another place.
    async fn wait_for_kafka(self) -> Option<Self> {
        let mut backoff = Backoff::new();
        loop {
            let attempt = async {
                let listed = crate::kafka::topics::list(&self.publisher).await;
                if let Err(error) = &listed {
                    let pause = backoff.pause();
                    if backoff.is_worth_telling() {
                        warn!(%error, "kafka does not answer, lines wait in redis");
                    }
                    tokio::time::sleep(pause).await;
                }
                listed.is_ok()
            };
            let is_there = tokio::select! {
                is_there = attempt => is_there,
                () = self.stop.requested() => {
                    self.end().await;
                    return None;
                }
            };
            if is_there {
                return Some(self);
            }
        }
    }

    /// Destroys the producer, then gives the slot up: in that order, since whoever takes the slot over must find
    /// nobody who still sends from it.
    pub async fn end(self) {
        self.publisher.stop().await;
        if let Err(error) = self.slot.release().await {
            info!(%error, "slot not released, its lease will run out");
        }
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
        let batch_size = self.worker.batch_size;
        match self.persist("reserve", async |slot| slot.reserve(batch_size).await).await? {
            Reservation::Batch(batch) => {
                fail::fail_point!("reserved");
                self.ship(batch).await
            }
            Reservation::Empty => self.wait_for(source.idle.wait()).await,
            Reservation::Paused => self.wait_for(tokio::time::sleep(PAUSED_LOOK)).await,
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
        tokio::select! {
            () = self.publisher.reports().finished() => Ok(()),
            () = self.stop.overdue() => Err(Ended::Stopped),
            () = self.slot.lease().lost() => Err(Ended::LeaseLost),
        }
    }

    /// Enriches a batch and hands it to Kafka.
    pub async fn ship(&mut self, batch: Batch) -> Result<(), Ended> {
        let lines = self.persist("read", async |slot| slot.read(&batch).await).await?;
        fail::fail_point!("read");
        let mut draft = self.enrich(&batch, &lines).await?;
        fail::fail_point!("enriched");
        let raw = |index| line_at(&lines, index);
        self.reject_strays(&mut draft, raw).await?;
        fail::fail_point!("looked_up");
        self.move_rejected(&batch, &mut draft).await?;
        fail::fail_point!("rejected");
        let Some(tally) = self.free_tallies.pop() else {
            unreachable!("a batch is reserved only where there is room for it");
        };
        let mut shipment = Shipment { batch, draft, tally, sent_at: Instant::now() };
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
        Ok(draft)
    }

    /// Hands lines of a shipment to Kafka.
    pub async fn send(&self, shipment: &mut Shipment, lines: &[usize]) {
        let messages = lines.iter().map(|&line| {
            fail::fail_point!("sending");
            shipment.draft.outgoing(line)
        });
        let lease = self.slot.lease();
        let gives_up = || lease.is_lost() || self.stop.is_overdue();
        self.publisher.send(shipment.tally, messages, gives_up).await;
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
        let topics = shipment.draft.lines_by_topic();
        self.persist("acknowledge", async |slot| slot.acknowledge(&shipment.batch, &topics).await).await?;
        fail::fail_point!("acknowledged");
        let lines = topics.iter().map(|(_, lines)| lines).sum();
        self.worker.stats.count_batch(lines, shipment.sent_at.elapsed());
        self.free_tallies.push(shipment.tally);
        if shipment.draft.bytes() <= KEPT_BYTES {
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
        tokio::select! {
            () = tokio::time::sleep(pause) => Ok(()),
            () = self.stop.overdue() => Err(Ended::Stopped),
            () = self.slot.lease().lost() => Err(Ended::LeaseLost),
        }
    }
}

/// A line by its place in the batch.
pub(super) fn line_at(lines: &[(usize, Vec<u8>)], index: usize) -> Option<&[u8]> {
    let place = lines.binary_search_by_key(&index, |(place, _)| *place).ok()?;
    Some(&lines[place].1)
}
