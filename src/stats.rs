//! What a worker counts, for its line a minute.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// Counters since the start; shared by all lanes.
#[derive(Debug, Default)]
pub struct Stats {
    delivered: AtomicU64,
    rejected: AtomicU64,
    failed: AtomicU64,
    batches: AtomicU64,
    batch_insert_us: AtomicU64,
}

/// The counters at one moment, or between two.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Figures {
    /// Lines that Kafka has.
    pub delivered: u64,
    /// Lines that went to the invalid list.
    pub rejected: u64,
    /// Times that a line had to be sent again, or was refused.
    pub failed: u64,
    pub batches: u64,
    batch_insert_us: u64,
}

impl Stats {
    pub fn count_batch(&self, lines: u64, insert: Duration) {
        self.delivered.fetch_add(lines, Ordering::Relaxed);
        self.batches.fetch_add(1, Ordering::Relaxed);
        let micros = u64::try_from(insert.as_micros()).unwrap_or(u64::MAX);
        self.batch_insert_us.fetch_add(micros, Ordering::Relaxed);
    }

    pub fn count_rejected(&self, lines: u64) {
        self.rejected.fetch_add(lines, Ordering::Relaxed);
    }

    pub fn count_failed(&self, lines: u64) {
        self.failed.fetch_add(lines, Ordering::Relaxed);
    }

    pub fn figures(&self) -> Figures {
        Figures {
            delivered: self.delivered.load(Ordering::Relaxed),
            rejected: self.rejected.load(Ordering::Relaxed),
            failed: self.failed.load(Ordering::Relaxed),
            batches: self.batches.load(Ordering::Relaxed),
            batch_insert_us: self.batch_insert_us.load(Ordering::Relaxed),
        }
    }
}

impl Figures {
    /// What came since `earlier`.
    #[must_use]
    pub fn since(self, earlier: Self) -> Self {
        Self {
            delivered: self.delivered - earlier.delivered,
            rejected: self.rejected - earlier.rejected,
            failed: self.failed - earlier.failed,
            batches: self.batches - earlier.batches,
            batch_insert_us: self.batch_insert_us - earlier.batch_insert_us,
        }
    }

    /// From the first line handed to Kafka until the batch is delivered, on average, in milliseconds.
    pub fn batch_insert_ms(self) -> f64 {
        if self.batches == 0 { 0.0 } else { self.batch_insert_us as f64 / self.batches as f64 / 1000.0 }
    }
}
