//! `give-back`: lines in flight go back to the head of the queue, for the original to take them from there.

use std::io::Write as _;
use std::sync::Arc;

use clap::Args;
use tokio::time::Instant;

use super::Failure;
use crate::kafka::exactly_once::{self, Account, Trouble};
use crate::kafka::{self, ExactlyOnce};
use crate::queue::in_flight::{self, Occupied};
use crate::queue::lease::RENEWAL;
use crate::queue::slot::Error;
use crate::queue::status::{self, FRESH_SECONDS};
use crate::queue::{self, Batch, Delivery, Link, Server, Slot, rest};

#[derive(Args)]
pub struct Arguments {
    /// Also gives back batches of which Kafka says no more whether it has them: their lines may come twice
    #[arg(long)]
    accept_duplicates: bool,

    #[command(flatten)]
    redis: queue::Settings,
    #[command(flatten)]
    kafka: kafka::Settings,
    #[command(flatten)]
    exactly_once: exactly_once::Settings,
}

/// Why lines stay in flight.
#[derive(Debug, thiserror::Error)]
enum NotGiven {
    #[error("{0}")]
    Redis(#[from] Error),
    #[error("{0}")]
    Kafka(#[from] Trouble),
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
    let exactly_once = if work.iter().any(|(_, slots)| slots.iter().any(|slot| slot.has_exactly_once)) {
        // One producer at a time, and it sends nothing.
        let producer = arguments.kafka.producer(1, 1).map_err(Failure::Setting)?;
        let queue = &arguments.redis.queue;
        let exactly_once =
            ExactlyOnce::new(&arguments.kafka, &arguments.exactly_once, queue, producer, &Arc::default());
        Some(exactly_once.map_err(Failure::Setting)?)
    } else {
        None
    };
    for (server, slots) in work {
        let slots: Vec<u64> = slots.iter().map(|slot| slot.slot).collect();
        // First, so that they come to stand behind what was reserved before them.
        rest::put_back(&mut server.link(), true).await.map_err(|error| {
            Failure::Unavailable(format!("{}: {error}; run give-back again", server.name()))
        })?;
        let mut work = Work {
            server,
            exactly_once: &exactly_once,
            accepts_duplicates: arguments.accept_duplicates,
            held: Vec::new(),
        };
        let given = work.give_back_all(&slots).await;
        let released = work.release().await;
        let lines = given.and_then(|lines| released.map(|()| lines)).map_err(|error| {
            Failure::Unavailable(format!("{}: {error}; run give-back again", server.name()))
        })?;
        let queue = &server.keys().queue;
        writeln!(std::io::stdout(), "{}: {lines} lines given back to {queue}", server.name())?;
    }
    Ok(())
}

/// The slots that hold batches, if nobody is at work; otherwise why not.
async fn slots_to_empty(link: &mut Link) -> Result<Vec<Occupied>, String> {
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
        None => Ok(slots),
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

/// One server's slots, held until all of them are empty.
struct Work<'a> {
    server: &'a Server,
    /// Where batches in flight were promised it.
    exactly_once: &'a Option<ExactlyOnce>,
    accepts_duplicates: bool,
    held: Vec<(Slot, Instant)>,
}

impl Work<'_> {
    /// Gives the number of lines.
    async fn give_back_all(&mut self, slots: &[u64]) -> Result<u64, NotGiven> {
        let mut batches: Vec<(usize, Batch)> = Vec::new();
        for &number in slots {
            // Nobody holds it and its form is known: nothing comes back only if another was quicker just now.
            let taken_at = Instant::now();
            let (slot, found) = Slot::take_over(self.server, number).await?.ok_or(Error::LeaseLost)?;
            self.held.push((slot, taken_at));
            let undelivered = self.undelivered(found).await?;
            batches.extend(undelivered.into_iter().map(|batch| (self.held.len() - 1, batch)));
        }
        // What was reserved last goes back first, and so comes to stand behind what was reserved before it.
        batches.sort_by_key(|(_, batch)| std::cmp::Reverse((batch.entry.reserved_at_us, batch.seq)));
        let mut lines = 0;
        for (holder, batch) in &batches {
            self.renew().await?;
            lines += self.held[*holder].0.give_back(batch).await?;
        }
        Ok(lines)
    }

    /// The batches of the slot taken last that Kafka does not have; the others are acknowledged.
    async fn undelivered(&mut self, batches: Vec<Batch>) -> Result<Vec<Batch>, NotGiven> {
        let is_exactly_once = |batch: &Batch| batch.entry.mode == Delivery::ExactlyOnce;
        let (Some(exactly_once), true) = (self.exactly_once, batches.iter().any(is_exactly_once)) else {
            return Ok(batches);
        };
        self.renew().await?;
        let (slot, _) = self.held.last_mut().expect("it was pushed just now");
        let account = Account { installation: slot.installation(), slot: slot.number(), start: None };
        // To initialise the transactions ends what a worker may have left open, before its lines come back.
        let stored = match exactly_once.start(account, 1).await {
            Ok((publisher, ledger)) => {
                publisher.stop().await;
                ledger.stored().unwrap_or_default()
            }
            Err(Trouble::SeqMissing { .. }) if self.accepts_duplicates => 0,
            Err(trouble) => return Err(trouble.into()),
        };
        let (delivered, undelivered): (Vec<Batch>, Vec<Batch>) =
            batches.into_iter().partition(|batch| is_exactly_once(batch) && batch.seq <= stored);
        for batch in &delivered {
            slot.acknowledge(batch, &[]).await?;
        }
        Ok(undelivered)
    }

    async fn renew(&mut self) -> Result<(), NotGiven> {
        let mut link = self.server.link();
        for (slot, renewed_at) in &mut self.held {
            if renewed_at.elapsed() >= RENEWAL {
                slot.lease().renew(&mut link).await.map_err(Error::from)?;
                *renewed_at = Instant::now();
            }
        }
        Ok(())
    }

    async fn release(self) -> Result<(), NotGiven> {
        for (slot, _) in self.held {
            slot.release().await?;
        }
        Ok(())
    }
}
