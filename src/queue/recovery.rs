//! Slots whose owner has gone. One counts as left when it holds batches and was seen without a lease for a full lease
//! time on one unbroken connection: when Redis restarts, all leases are gone at once, and their owners come first.

use std::collections::HashMap;

use tokio::time::Instant;

use super::lease::LEASE;
use super::server::{ANSWER_TIMEOUT, Server};

/// Watches the slots of one server.
pub struct Watch {
    server: Server,
    connection: Option<redis::aio::MultiplexedConnection>,
    /// When each slot was first seen with batches and without a lease.
    unleased_since: HashMap<u64, Instant>,
}

impl Watch {
    pub fn new(server: Server) -> Self {
        Self { server, connection: None, unleased_since: HashMap::new() }
    }

    /// Looks once; gives the slots that may be taken over now.
    ///
    /// # Errors
    /// When Redis does not answer; what was seen before then no longer counts.
    pub async fn look(&mut self) -> Result<Vec<u64>, redis::RedisError> {
        let unleased = self.unleased().await.inspect_err(|_| {
            self.connection = None;
            self.unleased_since.clear();
        })?;
        let now = Instant::now();
        self.unleased_since.retain(|slot, _| unleased.contains(slot));
        for &slot in &unleased {
            self.unleased_since.entry(slot).or_insert(now);
        }
        let mut left: Vec<u64> = unleased;
        left.retain(|slot| now - self.unleased_since[slot] >= LEASE);
        Ok(left)
    }

    async fn unleased(&mut self) -> Result<Vec<u64>, redis::RedisError> {
        if self.connection.is_none() {
            // Deliberately not one that connects again by itself.
            self.connection = Some(self.server.connect(ANSWER_TIMEOUT).await?);
            self.unleased_since.clear();
        }
        let connection = self.connection.as_mut().expect("it was set just now");
        let keys = self.server.keys();
        let fields: Vec<String> = redis::cmd("HKEYS").arg(&keys.batches).query_async(connection).await?;
        let mut slots: Vec<u64> =
            fields.iter().filter_map(|field| field.split(':').next()?.parse().ok()).collect();
        slots.sort_unstable();
        slots.dedup();
        if slots.is_empty() {
            return Ok(slots);
        }
        let mut pipeline = redis::pipe();
        for &slot in &slots {
            pipeline.exists(keys.lease(slot));
        }
        let has_lease: Vec<bool> = pipeline.query_async(connection).await?;
        let mut has_lease = has_lease.into_iter();
        slots.retain(|_| has_lease.next() == Some(false));
        Ok(slots)
    }
}
