//! Batches of workers that have gone: their slots are taken over, the batches sent in order and acknowledged.

use std::sync::Arc;
use std::time::Duration;

use tracing::{info, warn};

use super::lane::{Ended, Lane};
use super::stop::Stop;
use super::{Source, Worker};
use crate::queue::recovery::Watch;
use crate::queue::{Batch, Slot};

/// How often to look for slots that were left.
const LOOK: Duration = Duration::from_secs(2);

/// Watches the slots of one server until the worker is to stop.
pub(super) async fn run(worker: Arc<Worker>, source: Arc<Source>, stop: Stop) {
    let mut watch = Watch::new(source.server.clone());
    let mut was_away = false;
    while !stop.is_requested() {
        match watch.look().await {
            Ok(left) => {
                was_away = false;
                for slot in left {
                    recover(&worker, &source, slot, &stop).await;
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

async fn recover(worker: &Arc<Worker>, source: &Source, number: u64, stop: &Stop) {
    let (slot, batches) = match Slot::take_over(&source.server, number).await {
        Ok(Some(taken)) => taken,
        Ok(None) => return,
        Err(error) => {
            warn!(slot = number, %error, "slot not taken over");
            return;
        }
    };
    info!(slot = number, batches = batches.len(), "taking over a slot that was left");
    let Some(mut lane) = Lane::start(worker, source, slot, stop).await else { return };
    let outcome = finish(&mut lane, batches).await;
    lane.end().await;
    match outcome {
        Ok(()) => info!(slot = number, "slot recovered"),
        Err(ended) => warn!(slot = number, ?ended, "slot not recovered, it is left for the next"),
    }
}

/// One batch after another, in the order in which they were reserved.
async fn finish(lane: &mut Lane, batches: Vec<Batch>) -> Result<(), Ended> {
    for batch in batches {
        if lane.stop.is_requested() {
            return Err(Ended::Stopped);
        }
        lane.ship(batch).await?;
        lane.drain().await?;
    }
    Ok(())
}
