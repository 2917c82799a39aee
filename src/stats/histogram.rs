//! How values are spread: counted in fixed ranges, so that what several workers counted can be added up.

use std::sync::atomic::{AtomicU64, Ordering};

/// What is measured, each with the upper bounds of its ranges; a last range holds what is above them all.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Distribution {
    /// Lines of a batch.
    BatchLines,
    /// Seconds to read a batch from Redis.
    Read,
    /// Seconds to enrich a batch.
    Enrich,
    /// Seconds from the first line handed to Kafka until the batch is acknowledged.
    Deliver,
    /// Seconds between an event and its reservation.
    Lag,
}

const LINES: &[f64] = &[1.0, 10.0, 100.0, 1e3, 2e3, 5e3, 10e3, 20e3, 50e3];
const TIMES: &[f64] = &[0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 30.0];
const LAGS: &[f64] =
    &[0.0, 1.0, 2.0, 3.0, 5.0, 10.0, 20.0, 30.0, 60.0, 120.0, 300.0, 600.0, 1800.0, 3600.0, 14400.0, 86400.0];

impl Distribution {
    pub const ALL: [Self; 5] = [Self::BatchLines, Self::Read, Self::Enrich, Self::Deliver, Self::Lag];

    pub fn name(self) -> &'static str {
        match self {
            Self::BatchLines => "batch_lines",
            Self::Read => "read",
            Self::Enrich => "enrich",
            Self::Deliver => "deliver",
            Self::Lag => "lag",
        }
    }

    /// Upper bounds, each still within its range.
    pub fn bounds(self) -> &'static [f64] {
        match self {
            Self::BatchLines => LINES,
            Self::Read | Self::Enrich | Self::Deliver => TIMES,
            Self::Lag => LAGS,
        }
    }

    /// The range that a value falls into.
    pub fn range_of(self, value: f64) -> usize {
        self.bounds().partition_point(|bound| *bound < value)
    }
}

/// Values counted since the last look; shared by all lanes.
#[derive(Debug)]
pub struct Histogram {
    distribution: Distribution,
    counts: Box<[AtomicU64]>,
    sum_millionths: AtomicU64,
}

/// Values counted, by range.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Spread {
    /// One more than there are bounds.
    pub counts: Vec<u64>,
    pub sum_millionths: u64,
}

impl Histogram {
    pub fn new(distribution: Distribution) -> Self {
        let counts = (0..=distribution.bounds().len()).map(|_| AtomicU64::new(0)).collect();
        Self { distribution, counts, sum_millionths: AtomicU64::new(0) }
    }

    /// Counts a value `times` times; what is below zero adds nothing to the sum.
    pub fn add(&self, value: f64, times: u64) {
        self.counts[self.distribution.range_of(value)].fetch_add(times, Ordering::Relaxed);
        let millionths = (value.max(0.0) * 1e6).round() as u64;
        self.sum_millionths.fetch_add(millionths.saturating_mul(times), Ordering::Relaxed);
    }

    /// What was counted, and begins anew.
    pub fn take(&self) -> Spread {
        Spread {
            counts: self.counts.iter().map(|count| count.swap(0, Ordering::Relaxed)).collect(),
            sum_millionths: self.sum_millionths.swap(0, Ordering::Relaxed),
        }
    }

    /// Adds what was taken before.
    pub fn put_back(&self, spread: &Spread) {
        for (count, taken) in self.counts.iter().zip(&spread.counts) {
            count.fetch_add(*taken, Ordering::Relaxed);
        }
        self.sum_millionths.fetch_add(spread.sum_millionths, Ordering::Relaxed);
    }
}

impl Spread {
    pub fn total(&self) -> u64 {
        self.counts.iter().sum()
    }

    pub fn add(&mut self, other: &Self) {
        self.counts.resize(self.counts.len().max(other.counts.len()), 0);
        for (count, added) in self.counts.iter_mut().zip(&other.counts) {
            *count += added;
        }
        self.sum_millionths += other.sum_millionths;
    }

    /// The value that a share of all lies at or below, as if values lay evenly within their range; nothing where none was
    /// counted. What is above all bounds counts as the last of them.
    pub fn quantile(&self, distribution: Distribution, share: f64) -> Option<f64> {
        let total = self.total();
        if total == 0 {
            return None;
        }
        let wanted = share * total as f64;
        let bounds = distribution.bounds();
        let mut below = 0.0;
        for (range, &count) in self.counts.iter().enumerate() {
            let upto = below + count as f64;
            if count > 0 && upto >= wanted {
                let high = bounds[range.min(bounds.len() - 1)];
                let low = if range == 0 { high } else { bounds[range - 1] };
                return Some(low + (high - low) * ((wanted - below) / count as f64).clamp(0.0, 1.0));
            }
            below = upto;
        }
        bounds.last().copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_falls_into_the_first_range_that_holds_it() {
        assert_eq!(Distribution::Lag.range_of(-5.0), 0);
        assert_eq!(Distribution::Lag.range_of(0.0), 0);
        assert_eq!(Distribution::Lag.range_of(1.0), 1);
        assert_eq!(Distribution::Lag.range_of(1.5), 2);
        assert_eq!(Distribution::Lag.range_of(1e9), LAGS.len());
    }

    #[test]
    fn a_quantile_lies_in_the_range_that_holds_it() {
        let lags = Histogram::new(Distribution::Lag);
        assert_eq!(lags.take().quantile(Distribution::Lag, 0.5), None);
        lags.add(1.0, 98);
        lags.add(25.0, 2);
        let spread = lags.take();
        let median = spread.quantile(Distribution::Lag, 0.5).unwrap();
        assert!((0.0..=1.0).contains(&median), "{median}");
        let last = spread.quantile(Distribution::Lag, 0.99).unwrap();
        assert!((20.0..=30.0).contains(&last), "{last}");
        assert_eq!(spread.sum_millionths, 148_000_000);
        assert_eq!(lags.take().total(), 0);
    }

    #[test]
    fn what_was_put_back_is_taken_again() {
        let times = Histogram::new(Distribution::Read);
        times.add(0.3, 2);
        let taken = times.take();
        times.add(100.0, 1);
        times.put_back(&taken);
        let spread = times.take();
        assert_eq!((spread.total(), spread.sum_millionths), (3, 100_600_000));
        assert_eq!(spread.quantile(Distribution::Read, 1.0), Some(30.0));
    }
}
