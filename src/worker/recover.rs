//! Batches of workers that have gone: their slots are taken over, the batches sent in order and acknowledged.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;
use tracing::{error, info, warn};

use super::lane::{Ended, Lane, NotStarted, release};
use super::stop::Stop;
use super::{Source, Worker};
use crate::queue::recovery::Watch;
use crate::queue::{Batch, Delivery, Slot};
use crate::stats::Counter;

/// How often to look for slots that were left.
const LOOK: Duration = Duration::from_secs(2);
/// How long a slot is left alone that someone must mend.
const LEFT_ALONE: Duration = Duration::from_secs(60);

/// Watches the slots of one server until the worker is to stop.
pub(super) async fn run(worker: Arc<Worker>, source: Arc<Source>, stop: Stop) {
    let mut watch = Watch::new(source.server.clone());
    let mut was_away = false;
    let mut left_alone: HashMap<u64, Instant> = HashMap::new();
    while !stop.is_requested() {
        match watch.look().await {
            Ok(left) => {
                was_away = false;
                left_alone.retain(|_, since| since.elapsed() < LEFT_ALONE);
                for slot in left {
                    if !left_alone.contains_key(&slot) && recover(&worker, &source, slot, &stop).await {
                        left_alone.insert(slot, Instant::now());
                    }
                }
            }
            Err(error) => {
                if !was_away {
                    warn!(server = source.server.name(), %error, "cannot look for slots that were left");
                }
                was_away = true;
            }
        }
        tokio::select! {
            () = tokio::time::sleep(LOOK) => {}
            () = stop.requested() => {}
        }
    }
}

/// Whether the slot is to be left alone for a while.
async fn recover(worker: &Arc<Worker>, source: &Source, number: u64, stop: &Stop) -> bool {
    let (slot, batches) = match Slot::take_over(&source.server, number).await {
        Ok(Some(taken)) => taken,
        Ok(None) => return false,
        Err(error) => {
            warn!(slot = number, %error, "slot not taken over");
            return false;
        }
    };
    info!(slot = number, batches = batches.len(), "taking over a slot that was left");
    source.stats.count(Counter::Recoveries, 1);
    match finish_all(worker, source, slot, batches, stop).await {
        Ok(()) => info!(slot = number, "slot recovered"),
        Err(NotFinished::Ended(ended)) => {
            warn!(slot = number, ?ended, "slot not recovered, it is left for the next");
        }
        Err(NotFinished::NotStarted(NotStarted::Refused(trouble))) => {
            error!(slot = number, %trouble, "slot not recovered, its lines stay in flight");
            return true;
        }
        Err(NotFinished::NotStarted(NotStarted::Stopped | NotStarted::LeaseLost)) => {}
    }
    false
}

#[derive(Debug)]
enum NotFinished {
    NotStarted(NotStarted),
    Ended(Ended),
}

/// Each batch is finished in the mode that it was reserved in, which need not be this worker's own.
async fn finish_all(
    worker: &Arc<Worker>,
    source: &Source,
    mut slot: Slot,
    batches: Vec<Batch>,
    stop: &Stop,
) -> Result<(), NotFinished> {
    for delivery in Delivery::ALL {
        let batches: Vec<&Batch> = batches.iter().filter(|batch| batch.entry.mode == delivery).collect();
        if batches.is_empty() {
            continue;
        }
        let mut lane =
            Lane::start(worker, source, slot, delivery, stop).await.map_err(NotFinished::NotStarted)?;
        let finished = finish(&mut lane, &batches).await;
        slot = lane.into_slot().await;
        if let Err(ended) = finished {
            release(slot).await;
            return Err(NotFinished::Ended(ended));
        }
    }
    release(slot).await;
    Ok(())
}

/// One batch after another, in the order in which they were reserved.
async fn finish(lane: &mut Lane, batches: &[&Batch]) -> Result<(), Ended> {
    for &batch in batches {
        if lane.stop.is_requested() {
            return Err(Ended::Stopped);
        }
        if lane.has_committed(batch) {
            // Which topics its lines went to is known no more: they are counted nowhere.
            lane.persist("acknowledge", async |slot| slot.acknowledge(batch, &[]).await).await?;
            continue;
        }
        lane.ship(batch.clone()).await?;
        lane.drain().await?;
    }
    Ok(())
}
