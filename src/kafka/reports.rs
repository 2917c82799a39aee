//! Delivery reports, counted batch by batch. librdkafka gives one for each message; the last one of a batch wakes the
//! lane. Nothing is allocated for a message: its opaque value says where it is counted.

use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use rdkafka::config::RDKafkaLogLevel;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::producer::{DeliveryResult, ProducerContext};
use rdkafka::{ClientContext, Statistics};
use tokio::sync::Notify;
use tracing::{debug, warn};

use super::partitions::Partitions;

/// The same trouble is told again after this long.
const TELL_AGAIN: Duration = Duration::from_secs(30);
const LINE_BITS: u32 = 32;

/// A line that was not delivered: its place among the lines that were sent, and what Kafka said.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Failure {
    pub line: usize,
    pub code: RDKafkaErrorCode,
}

#[derive(Default)]
struct Tally {
    outstanding: AtomicU32,
    /// What the messages stand in: librdkafka reads them there until their reports have come.
    messages: Mutex<Option<Arc<Vec<u8>>>>,
    failures: Mutex<Vec<Failure>>,
}

/// What the producers of a worker met with, counted until somebody takes it.
#[derive(Debug, Default)]
pub struct Troubles {
    errors: AtomicU64,
    retries: AtomicU64,
}

impl Troubles {
    /// Errors told, and requests repeated, since the last time.
    pub fn take(&self) -> (u64, u64) {
        (self.errors.swap(0, Ordering::Relaxed), self.retries.swap(0, Ordering::Relaxed))
    }
}

/// Where reports are counted: one tally for each batch that may be under way.
pub struct Reports {
    troubles: Arc<Troubles>,
    partitions: Partitions,
    /// Of this producer, since it was started.
    retries: AtomicU64,
    tallies: Vec<Tally>,
    finished: Notify,
    told_at: Mutex<Option<Instant>>,
}

impl Reports {
    pub fn new(batches: usize, troubles: Arc<Troubles>) -> Self {
        Self {
            troubles,
            partitions: Partitions::default(),
            retries: AtomicU64::new(0),
            tallies: std::iter::repeat_with(Tally::default).take(batches).collect(),
            finished: Notify::new(),
            told_at: Mutex::new(None),
        }
    }

    pub(super) fn partitions(&self) -> &Partitions {
        &self.partitions
    }

    /// Expects `lines` reports for the batch that is counted at `tally`, and keeps what its messages stand in until they
    /// have come.
    ///
    /// # Panics
    /// When reports of an earlier batch are still to come.
    pub(super) fn expect(&self, tally: usize, lines: usize, messages: &Arc<Vec<u8>>) {
        assert!(self.is_complete(tally), "librdkafka still reads the messages that were counted here before");
        let lines = u32::try_from(lines).expect("no batch holds so many lines");
        *self.messages(tally) = Some(Arc::clone(messages));
        self.tallies[tally].outstanding.store(lines, Ordering::Release);
    }

    /// How many reports are still to come.
    pub fn outstanding(&self, tally: usize) -> u32 {
        self.tallies[tally].outstanding.load(Ordering::Acquire)
    }

    /// Whether every report has come.
    pub fn is_complete(&self, tally: usize) -> bool {
        self.outstanding(tally) == 0
    }

    fn messages(&self, tally: usize) -> MutexGuard<'_, Option<Arc<Vec<u8>>>> {
        self.tallies[tally].messages.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What was not delivered; once all reports have come, also lets go of the messages.
    pub fn take_failures(&self, tally: usize) -> Vec<Failure> {
        if self.is_complete(tally) {
            *self.messages(tally) = None;
        }
        std::mem::take(&mut *self.tallies[tally].failures.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Returns when a batch has become complete since the last time.
    pub async fn finished(&self) {
        self.finished.notified().await;
    }

    /// Counts one report.
    pub(super) fn report(&self, opaque: usize, failure: Option<RDKafkaErrorCode>) {
        let tally = &self.tallies[opaque >> LINE_BITS];
        if let Some(code) = failure {
            let line = opaque & ((1 << LINE_BITS) - 1);
            tally.failures.lock().unwrap_or_else(PoisonError::into_inner).push(Failure { line, code });
        }
        if tally.outstanding.fetch_sub(1, Ordering::AcqRel) == 1 {
            self.finished.notify_one();
        }
    }
}

/// The opaque value of a message.
pub(super) fn opaque(tally: usize, line: usize) -> usize {
    tally << LINE_BITS | line
}

impl ProducerContext<Partitions> for Reports {
    type DeliveryOpaque = usize;

    fn get_custom_partitioner(&self) -> Option<&Partitions> {
        Some(&self.partitions)
    }

    fn delivery(&self, result: &DeliveryResult<'_>, opaque: usize) {
        let failure = result.as_ref().err().map(|(error, _)| code(error));
        self.report(opaque, failure);
    }
}

impl ClientContext for Reports {
    /// librdkafka tells of every attempt to connect: that is for those who ask.
    fn log(&self, level: RDKafkaLogLevel, facility: &str, text: &str) {
        debug!(?level, facility, text, "librdkafka");
    }

    fn error(&self, error: KafkaError, reason: &str) {
        self.troubles.errors.fetch_add(1, Ordering::Relaxed);
        let mut told_at = self.told_at.lock().unwrap_or_else(PoisonError::into_inner);
        if told_at.is_none_or(|at| at.elapsed() >= TELL_AGAIN) {
            *told_at = Some(Instant::now());
            warn!(%error, reason, "kafka is in trouble, trying again");
        }
    }

    /// How the producer does, for those who ask.
    fn stats(&self, statistics: Statistics) {
        let Statistics { msg_cnt, msg_size, txmsgs, brokers, .. } = statistics;
        let retries = brokers.values().map(|broker| broker.txretries).sum();
        let earlier = self.retries.swap(retries, Ordering::Relaxed);
        self.troubles.retries.fetch_add(retries.saturating_sub(earlier), Ordering::Relaxed);
        debug!(waiting = msg_cnt, waiting_bytes = msg_size, sent = txmsgs, "producer statistics");
    }
}

/// The code within an error of the client.
pub fn code(error: &KafkaError) -> RDKafkaErrorCode {
    match error {
        KafkaError::Transaction(inner) => inner.code(),
        KafkaError::AdminOp(code) => *code,
        other => other.rdkafka_error_code().unwrap_or(RDKafkaErrorCode::Unknown),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[should_panic(expected = "still reads")]
    fn messages_without_a_report_are_never_let_go_of() {
        let reports = Reports::new(1, Arc::default());
        let messages = Arc::default();
        reports.expect(0, 1, &messages);
        reports.expect(0, 1, &messages);
    }

    #[tokio::test]
    async fn the_last_report_of_a_batch_wakes_the_lane() {
        let reports = Reports::new(2, Arc::default());
        let messages = Arc::new(Vec::new());
        reports.expect(1, 2, &messages);
        reports.report(opaque(1, 0), None);
        assert!(!reports.is_complete(1));
        reports.report(opaque(1, 1), Some(RDKafkaErrorCode::InvalidRecord));
        reports.finished().await;
        assert!(reports.is_complete(1));
        assert_eq!(Arc::strong_count(&messages), 2);
        assert_eq!(reports.take_failures(1), [Failure { line: 1, code: RDKafkaErrorCode::InvalidRecord }]);
        assert!(reports.take_failures(1).is_empty());
        assert_eq!(Arc::strong_count(&messages), 1);
    }
}
