//! The right to a slot. It lasts 15 seconds from the moment its last successful renewal was sent, by the clock of the
//! one who holds it: he may be cut off from Redis, and must stop before another can take over.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::Instant;

use super::scripts;
use super::server::Link;

/// How long a lease lasts.
pub const LEASE: Duration = Duration::from_secs(15);
/// How often it is renewed.
pub const RENEWAL: Duration = Duration::from_secs(5);

/// `LEASE` as the scripts take it.
pub(super) fn lease_ms() -> u64 {
    u64::try_from(LEASE.as_millis()).expect("15 seconds")
}

#[derive(Debug)]
pub struct Lease {
    key: String,
    token: String,
    renewed_at: Mutex<Instant>,
    /// How often Redis had forgotten it, so that it was set again.
    forgotten: AtomicU64,
    lost: watch::Sender<bool>,
}

impl Lease {
    /// `taken_at` is when the call that took it was sent.
    pub(super) fn new(key: String, token: String, taken_at: Instant) -> Self {
        let (forgotten, lost) = (AtomicU64::new(0), watch::Sender::new(false));
        Self { key, token, renewed_at: Mutex::new(taken_at), forgotten, lost }
    }

    pub fn key(&self) -> &str {
        &self.key
    }

    pub fn token(&self) -> &str {
        &self.token
    }

    fn ends_at(&self) -> Instant {
        *self.renewed_at.lock().unwrap_or_else(PoisonError::into_inner) + LEASE
    }

    pub fn is_lost(&self) -> bool {
        *self.lost.borrow() || Instant::now() >= self.ends_at()
    }

    /// From now on it counts as lost, whatever Redis says later.
    pub fn lose(&self) {
        self.lost.send_replace(true);
    }

    /// How often Redis had forgotten it: each time another may have had the slot before it was set again.
    pub fn times_forgotten(&self) -> u64 {
        self.forgotten.load(Ordering::Relaxed)
    }

    /// Returns once the lease is lost, and never before.
    pub async fn lost(&self) {
        let mut lost = self.lost.subscribe();
        while !self.is_lost() {
            tokio::select! {
                _ = lost.changed() => {}
                () = tokio::time::sleep_until(self.ends_at()) => {}
            }
        }
    }

    /// Renews it; a lease that was lost before stays lost.
    ///
    /// # Errors
    /// When Redis does not answer: the lease then goes on until its end.
    pub async fn renew(&self, link: &mut Link) -> Result<(), redis::RedisError> {
        let sent_at = Instant::now();
        let found: String = link.run(scripts::RENEW.key(&self.key).arg(&self.token).arg(lease_ms())).await?;
        if found == "absent" {
            self.forgotten.fetch_add(1, Ordering::Relaxed);
        }
        if found == "lost" || self.is_lost() {
            self.lose();
        } else {
            *self.renewed_at.lock().unwrap_or_else(PoisonError::into_inner) = sent_at;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_lease_that_is_not_renewed_is_lost_after_15_seconds() {
        let lease = Lease::new("lease".into(), "token".into(), Instant::now());
        let taken_at = Instant::now();
        lease.lost().await;
        assert_eq!(taken_at.elapsed().as_secs(), 15);
        assert!(lease.is_lost());
    }

    #[tokio::test(start_paused = true)]
    async fn a_lease_that_another_holds_is_lost_at_once() {
        let lease = Lease::new("lease".into(), "token".into(), Instant::now());
        lease.lose();
        lease.lost().await;
        assert!(lease.is_lost());
    }
}
