//! `give-back`: lines in flight go back to the head of the queue, for the original to take them from there.

use std::io::Write as _;

use clap::Args;
use tokio::time::Instant;

use super::Failure;
use crate::queue::in_flight::{self, Occupied};
use crate::queue::lease::RENEWAL;
use crate::queue::slot::Error;
use crate::queue::status::{self, FRESH_SECONDS};
use crate::queue::{self, Batch, Link, Server, Slot};

#[derive(Args)]
pub struct Arguments {
    #[command(flatten)]
    redis: queue::Settings,
}

/// Puts everything that is in flight back, on every server, once all of them allow it.
///
/// # Errors
/// When a server does not answer, a worker still runs, or a batch is in a form that this release does not know.
pub async fn run(arguments: &Arguments) -> Result<(), Failure> {
    let servers = arguments.redis.servers().map_err(Failure::Setting)?;
    let mut work = Vec::new();
    for server in &servers {
        let slots = slots_to_empty(&mut server.link())
            .await
            .map_err(|why| Failure::Unavailable(format!("{}: {why}", server.name())))?;
        work.push((server, slots));
    }
    for (server, slots) in work {
        let lines = empty(server, &slots).await.map_err(|error| {
            Failure::Unavailable(format!("{}: {error}; run give-back again", server.name()))
        })?;
        let queue = &server.keys().queue;
        writeln!(std::io::stdout(), "{}: {lines} lines given back to {queue}", server.name())?;
    }
    Ok(())
}

/// The slots that hold batches, if nobody is at work; otherwise why not.
async fn slots_to_empty(link: &mut Link) -> Result<Vec<u64>, String> {
    let status = status::read(link).await.map_err(|error| error.to_string())?;
    if let Some(worker) = status.workers.iter().find(|worker| worker.last_heartbeat <= FRESH_SECONDS) {
        return Err(format!(
            "worker {} still runs: stop it first (one that was killed counts as gone after {FRESH_SECONDS} seconds)",
            worker.id
        ));
    }
    let slots = in_flight::read(link).await.map_err(|error| error.to_string())?;
    match slots.iter().find_map(obstacle) {
        Some(obstacle) => Err(obstacle),
        None => Ok(slots.iter().map(|slot| slot.slot).collect()),
    }
}

fn obstacle(slot: &Occupied) -> Option<String> {
    let number = slot.slot;
    if slot.is_leased {
        Some(format!(
            "slot {number} is held by a worker: stop it, or wait {FRESH_SECONDS} seconds if it was killed"
        ))
    } else if slot.is_known {
        None
    } else {
        Some(format!("slot {number} holds batches of another release: let that one finish them"))
    }
}

async fn empty(server: &Server, slots: &[u64]) -> Result<u64, Error> {
    let mut held = Vec::new();
    let given = give_back_all(server, slots, &mut held).await;
    for slot in held {
        slot.release().await?;
    }
    given
}

async fn give_back_all(server: &Server, slots: &[u64], held: &mut Vec<Slot>) -> Result<u64, Error> {
    let mut batches: Vec<(usize, Batch)> = Vec::new();
    for &number in slots {
        // Nobody holds it and its form is known: nothing comes back only if another was quicker just now.
        let (slot, found) = Slot::take_over(server, number).await?.ok_or(Error::LeaseLost)?;
        batches.extend(found.into_iter().map(|batch| (held.len(), batch)));
        held.push(slot);
    }
    // What was reserved last goes back first, and so comes to stand behind what was reserved before it.
    batches.sort_by_key(|(_, batch)| std::cmp::Reverse((batch.entry.reserved_at_us, batch.seq)));
    let mut link = server.link();
    let mut renewed_at = Instant::now();
    let mut lines = 0;
    for (holder, batch) in &batches {
        if renewed_at.elapsed() >= RENEWAL {
            for slot in held.iter() {
                slot.lease().renew(&mut link).await?;
            }
            renewed_at = Instant::now();
        }
        lines += held[*holder].give_back(batch).await?;
    }
    Ok(lines)
}
