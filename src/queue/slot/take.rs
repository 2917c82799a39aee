//! How a slot comes to its holder: free, or left with batches in it.

use std::collections::BTreeSet;
use std::sync::Arc;

use tokio::time::Instant;

use super::{Age, Error, Slot, parse_entry};
use crate::queue::batch::{Batch, Delivery, FORMAT};
use crate::queue::lease::{Lease, lease_ms};
use crate::queue::scripts;
use crate::queue::server::Server;

impl Slot {
    /// Leases the lowest slot that is free and holds no batches.
    ///
    /// # Errors
    /// When Redis does not answer as it should.
    pub async fn take(server: &Server) -> Result<Self, Error> {
        let mut link = server.link();
        let keys = server.keys().clone();
        let token = new_token();
        let taken_at = Instant::now();
        let (number, last_seq, redis_time_us, installation): (u64, u64, u64, String) = link
            .run(
                scripts::TAKE_SLOT
                    .key(&keys.batches)
                    .key(&keys.seq)
                    .key(&keys.id)
                    .arg(keys.lease_prefix())
                    .arg(&token)
                    .arg(lease_ms())
                    .arg(new_token()),
            )
            .await?;
        let lease = Arc::new(Lease::new(keys.lease(number), token, taken_at));
        // It never comes twice and never runs backwards, even where Redis forgot the last one.
        let next_seq = redis_time_us.max(last_seq + 1);
        let seen_sound_at = Age { connects: link.connects(), times_forgotten: 0 };
        Ok(Self { link, lease, number, installation, next_seq, held: BTreeSet::new(), seen_sound_at })
    }

    /// Takes over a slot that was left with batches in it, and gives those in the order they were reserved; nothing
    /// where another was quicker, or where they are in a form that this release does not know.
    ///
    /// # Errors
    /// When Redis does not answer as it should.
    pub async fn take_over(server: &Server, number: u64) -> Result<Option<(Self, Vec<Batch>)>, Error> {
        let mut link = server.link();
        let keys = server.keys().clone();
        let token = new_token();
        let taken_at = Instant::now();
        let mut script = scripts::TAKE_OVER.prepare_invoke();
        script
            .key(&keys.batches)
            .key(keys.lease(number))
            .key(&keys.id)
            .arg(number)
            .arg(&token)
            .arg(lease_ms())
            .arg(new_token())
            .arg(keys.inflight_prefix())
            .arg(FORMAT)
            .arg(Delivery::ALL.map(Delivery::as_str).as_slice());
        let answer: Vec<String> = link.run(&script).await?;
        let [status, installation, found @ ..] = answer.as_slice() else { return Ok(None) };
        if status != "ok" {
            return Ok(None);
        }
        let mut batches = Vec::new();
        for batch in found.chunks_exact(3) {
            batches.push(Batch {
                slot: number,
                seq: batch[0].parse().map_err(|_| Error::Answer(batch[0].clone()))?,
                entry: parse_entry(&batch[1])?,
                convicted: batch[2].parse().ok(),
            });
        }
        let lease = Arc::new(Lease::new(keys.lease(number), token, taken_at));
        let slot = Self {
            seen_sound_at: Age { connects: link.connects(), times_forgotten: 0 },
            link,
            lease,
            number,
            installation: installation.clone(),
            // A slot that was taken over is released when it is empty: nothing is reserved in it.
            next_seq: u64::MAX,
            held: batches.iter().map(|batch| batch.seq).collect(),
        };
        Ok(Some((slot, batches)))
    }
}

/// Nobody else can guess or repeat it.
fn new_token() -> String {
    format!("{:032x}", rand::random::<u128>())
}
