//! What a worker counts: for its line a minute, and for the web process, which adds up what all workers have counted.
//!
//! - [`histogram`]: how values are spread
//! - [`sample`]: what some of the messages say

pub mod histogram;
pub mod sample;

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use histogram::{Distribution, Histogram, Spread};
use sample::{Recent, Sample, Tops};

/// What is counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Counter {
    /// Lines that Kafka has.
    Delivered,
    /// Lines that went to the invalid list.
    Rejected,
    /// Times that a line had to be sent again, or was refused.
    Failed,
    Batches,
    /// Microseconds from the first line handed to Kafka until the batch was acknowledged, of all batches together.
    InsertMicros,
    /// Troubles that the Kafka client has told of.
    KafkaErrors,
    /// Requests that the Kafka client has repeated by itself.
    KafkaRetries,
    /// User agents whose answer was known.
    CacheHits,
    CacheMisses,
    /// Slots taken over from workers that had gone.
    Recoveries,
}

impl Counter {
    pub const ALL: [Self; 10] = [
        Self::Delivered,
        Self::Rejected,
        Self::Failed,
        Self::Batches,
        Self::InsertMicros,
        Self::KafkaErrors,
        Self::KafkaRetries,
        Self::CacheHits,
        Self::CacheMisses,
        Self::Recoveries,
    ];

    pub fn name(self) -> &'static str {
        match self {
            Self::Delivered => "delivered",
            Self::Rejected => "rejected",
            Self::Failed => "failed",
            Self::Batches => "batches",
            Self::InsertMicros => "insert_micros",
            Self::KafkaErrors => "kafka_errors",
            Self::KafkaRetries => "kafka_retries",
            Self::CacheHits => "cache_hits",
            Self::CacheMisses => "cache_misses",
            Self::Recoveries => "recoveries",
        }
    }
}

/// Counts of one Redis server's lanes; shared by them.
#[derive(Debug)]
pub struct Stats {
    /// Since the start.
    counters: [AtomicU64; Counter::ALL.len()],
    /// As they were when they were last taken.
    taken: Mutex<Figures>,
    histograms: [Histogram; Distribution::ALL.len()],
    sample: Mutex<Sample>,
}

/// The counters at one moment, or between two.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Figures([u64; Counter::ALL.len()]);

/// All that was counted since the last time.
#[derive(Debug, Clone, Default)]
pub struct Counted {
    pub figures: Figures,
    pub spreads: BTreeMap<Distribution, Spread>,
    pub tops: Tops,
    pub recent: Vec<Recent>,
}

impl Default for Stats {
    fn default() -> Self {
        Self {
            counters: Default::default(),
            taken: Mutex::default(),
            histograms: Distribution::ALL.map(Histogram::new),
            sample: Mutex::default(),
        }
    }
}

impl Stats {
    pub fn count(&self, counter: Counter, by: u64) {
        self.counters[counter as usize].fetch_add(by, Ordering::Relaxed);
    }

    pub fn measure(&self, distribution: Distribution, value: f64) {
        self.histograms[distribution as usize].add(value, 1);
    }

    /// Counts a batch that was delivered `insert` after it was handed to Kafka. `sample` gives topics and messages, and
    /// how many of its lines each stands for.
    pub fn count_batch<'a>(
        &self,
        lines: u64,
        insert: Duration,
        sample: impl Iterator<Item = (&'a str, &'a [u8], u64)>,
    ) {
        self.count(Counter::Delivered, lines);
        self.count(Counter::Batches, 1);
        self.count(Counter::InsertMicros, u64::try_from(insert.as_micros()).unwrap_or(u64::MAX));
        self.measure(Distribution::BatchLines, lines as f64);
        self.measure(Distribution::Deliver, insert.as_secs_f64());
        let mut seen = lock(&self.sample);
        for (topic, message, lines) in sample {
            if let Some(lag) = seen.look(topic, message, lines) {
                self.histograms[Distribution::Lag as usize].add(lag as f64, lines);
            }
        }
    }

    /// The counters since the start.
    pub fn figures(&self) -> Figures {
        Figures(self.counters.each_ref().map(|counter| counter.load(Ordering::Relaxed)))
    }

    /// All that was counted since the last time.
    pub fn take(&self) -> Counted {
        let now = self.figures();
        let earlier = std::mem::replace(&mut *lock(&self.taken), now);
        let (tops, recent) = lock(&self.sample).take();
        Counted {
            figures: now.since(earlier),
            spreads: Distribution::ALL.map(|which| (which, self.histograms[which as usize].take())).into(),
            tops,
            recent,
        }
    }

    /// Has it taken again the next time; the messages are lost.
    pub fn put_back(&self, counted: &Counted) {
        let mut taken = lock(&self.taken);
        *taken = taken.since(counted.figures);
        drop(taken);
        for (which, spread) in &counted.spreads {
            self.histograms[*which as usize].put_back(spread);
        }
        lock(&self.sample).put_back(&counted.tops);
    }
}

impl Figures {
    pub fn of(self, counter: Counter) -> u64 {
        self.0[counter as usize]
    }

    /// What came since `earlier`.
    #[must_use]
    pub fn since(self, earlier: Self) -> Self {
        Self(std::array::from_fn(|at| self.0[at] - earlier.0[at]))
    }

    #[must_use]
    pub fn plus(self, other: Self) -> Self {
        Self(std::array::from_fn(|at| self.0[at] + other.0[at]))
    }

    /// From the first line handed to Kafka until the batch is delivered, on average, in milliseconds.
    pub fn batch_insert_ms(self) -> f64 {
        match self.of(Counter::Batches) {
            0 => 0.0,
            batches => self.of(Counter::InsertMicros) as f64 / batches as f64 / 1000.0,
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_could_not_be_told_is_told_the_next_time() {
        let stats = Stats::default();
        stats.count(Counter::Recoveries, 2);
        stats.measure(Distribution::Read, 0.3);
        let counted = stats.take();
        assert_eq!(counted.figures.of(Counter::Recoveries), 2);
        assert_eq!(stats.take().figures, Figures::default());
        stats.put_back(&counted);
        stats.count(Counter::Recoveries, 1);
        let again = stats.take();
        assert_eq!(again.figures.of(Counter::Recoveries), 3);
        assert_eq!(again.spreads[&Distribution::Read].total(), 1);
        assert_eq!(stats.figures().of(Counter::Recoveries), 3);
    }
}
