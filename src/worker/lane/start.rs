//! How a lane comes to its slot and its producer, and to another producer when that one is of no use any more.

use std::collections::VecDeque;
use std::sync::Arc;

use tracing::{error, warn};

use super::{BATCHES_UNDER_WAY, Ended, Lane, release, wait};
use crate::enrich::DeviceCache;
use crate::kafka::exactly_once::{Account, Trouble};
use crate::kafka::{Ledger, Publisher, topics};
use crate::queue::{Delivery, Slot};
use crate::worker::backoff::Backoff;
use crate::worker::stop::Stop;
use crate::worker::{Source, Worker};

/// Why a lane was not started; its slot is no longer ours.
#[derive(Debug)]
pub(in crate::worker) enum NotStarted {
    Stopped,
    LeaseLost,
    /// It is no use to try again before someone has mended it.
    Refused(Trouble),
}

pub(super) async fn take_slot(source: &Source, stop: &Stop) -> Option<Slot> {
    let mut backoff = Backoff::new();
    loop {
        match Slot::take(&source.server).await {
            Ok(slot) => return Some(slot),
            Err(error) => {
                let pause = backoff.pause();
                if backoff.is_worth_telling() {
                    warn!(server = source.server.name(), %error, "no slot to be had, trying again");
                }
                wait(pause, stop).await;
                if stop.is_requested() {
                    return None;
                }
            }
        }
    }
}

/// Starts the producer of a slot, and returns once Kafka answers: what is reserved while it is away only waits in another
/// place.
async fn open(
    worker: &Worker,
    slot: &Slot,
    delivery: Delivery,
) -> Result<(Publisher, Option<Ledger>), Trouble> {
    match delivery {
        Delivery::AtLeastOnce => {
            let publisher = Publisher::start(&worker.producer, BATCHES_UNDER_WAY, &worker.troubles).await?;
            match topics::list(&publisher).await {
                Ok(_) => Ok((publisher, None)),
                Err(error) => {
                    publisher.stop().await;
                    Err(error.into())
                }
            }
        }
        Delivery::ExactlyOnce => {
            let account =
                Account { installation: slot.installation(), slot: slot.number(), start: slot.start() };
            let (publisher, ledger) = worker.exactly_once.start(account, BATCHES_UNDER_WAY).await?;
            Ok((publisher, Some(ledger)))
        }
    }
}

impl Lane {
    /// Starts a lane in a slot that was leased.
    pub async fn start(
        worker: &Arc<Worker>,
        source: &Source,
        mut slot: Slot,
        delivery: Delivery,
        stop: &Stop,
    ) -> Result<Self, NotStarted> {
        // First of all: what follows may take longer than a lease.
        source.keep(slot.lease());
        let mut backoff = Backoff::new();
        // The first try is everyone's own; then one asks at a time, in turn.
        let mut turn = None;
        let (publisher, ledger) = loop {
            let opened = tokio::select! {
                opened = open(worker, &slot, delivery) => opened,
                () = stop.requested() => {
                    release(slot).await;
                    return Err(NotStarted::Stopped);
                }
            };
            match opened {
                Ok(opened) => break opened,
                Err(trouble @ (Trouble::NotPermitted(_) | Trouble::SeqMissing { .. })) => {
                    release(slot).await;
                    return Err(NotStarted::Refused(trouble));
                }
                Err(error) => {
                    if worker.silence.is_due() {
                        let why = worker.troubles.why(error.code()).unwrap_or_else(|| error.to_string());
                        warn!(why, "kafka does not answer, lines wait in redis");
                    }
                    wait(backoff.pause(), stop).await;
                    drop(turn.take());
                    turn = tokio::select! {
                        turn = worker.asking.lock() => Some(turn),
                        () = stop.requested() => None,
                    };
                    if slot.lease().is_lost() {
                        // Whoever holds the slot now must not be fenced.
                        release(slot).await;
                        return Err(NotStarted::LeaseLost);
                    }
                }
            }
        };
        if let Some(stored) = ledger.as_ref().and_then(Ledger::stored) {
            // Redis may have forgotten the last seq, and its clock may have been set back.
            slot.pass(stored);
        }
        Ok(Self {
            worker: Arc::clone(worker),
            stop: stop.clone(),
            slot,
            publisher,
            stats: Arc::clone(&source.stats),
            ledger,
            under_way: VecDeque::new(),
            free_tallies: (0..BATCHES_UNDER_WAY).collect(),
            device_cache: DeviceCache::default(),
            done: Vec::new(),
        })
    }

    /// Replaces a producer that is of no use any more by one that has asked Kafka what it has.
    pub async fn renew(&mut self) -> Result<(), Ended> {
        let delivery = if self.ledger.is_some() { Delivery::ExactlyOnce } else { Delivery::AtLeastOnce };
        let mut backoff = Backoff::new();
        loop {
            if self.slot.lease().is_lost() {
                // Whoever holds the slot now must not be fenced.
                return Err(Ended::LeaseLost);
            }
            match self.unless_over(open(&self.worker, &self.slot, delivery)).await? {
                Ok((publisher, ledger)) => {
                    self.ledger = ledger;
                    std::mem::replace(&mut self.publisher, publisher).stop().await;
                    return Ok(());
                }
                Err(trouble @ Trouble::SeqMissing { .. }) => {
                    error!(slot = self.slot.number(), %trouble, "the slot is left as it is");
                    return Err(Ended::SeqMissing);
                }
                Err(error) => {
                    let pause = backoff.pause();
                    if backoff.is_worth_telling() {
                        warn!(%error, "no new producer to be had, trying again");
                    }
                    self.pause(pause).await?;
                }
            }
        }
    }
}
