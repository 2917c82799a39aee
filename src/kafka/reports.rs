//! Delivery reports, counted chunk by chunk. librdkafka gives one for each message; the last one of a chunk wakes the
//! lane. Nothing is allocated for a message: its opaque value says where it is counted.

use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rdkafka::config::RDKafkaLogLevel;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::producer::{DeliveryResult, ProducerContext};
use rdkafka::{ClientContext, Statistics};
use tokio::sync::Notify;
use tracing::debug;

use super::partitions::Partitions;
use super::troubles::Troubles;

/// Chunks that one producer may have under way.
const CHUNKS: usize = 4096;
const LINE_BITS: u32 = 32;
const CHUNK_BITS: u32 = 16;

/// A line that was not delivered: its place among the lines that were sent, and what Kafka said.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Failure {
    pub line: usize,
    pub code: RDKafkaErrorCode,
}

#[derive(Default)]
struct Tally {
    /// Chunks whose reports have not all come, and one more while chunks are handed over.
    unfinished: AtomicU32,
    /// What the messages stand in: librdkafka reads them there until their reports have come.
    messages: Mutex<Option<Arc<Vec<u8>>>>,
    failures: Mutex<Vec<Failure>>,
}

/// Where reports are counted: one tally for each batch that may be under way.
pub struct Reports {
    troubles: Arc<Troubles>,
    partitions: Partitions,
    /// Of this producer, since it was started.
    retries: AtomicU64,
    tallies: Vec<Tally>,
    /// By a chunk's number: how many of its reports are still to come. What is at zero is free for another.
    chunks: Box<[AtomicU32]>,
    finished: Notify,
}

impl Reports {
    pub fn new(batches: usize, troubles: Arc<Troubles>) -> Self {
        Self {
            troubles,
            partitions: Partitions::default(),
            retries: AtomicU64::new(0),
            tallies: std::iter::repeat_with(Tally::default).take(batches).collect(),
            chunks: std::iter::repeat_with(AtomicU32::default).take(CHUNKS).collect(),
            finished: Notify::new(),
        }
    }

    pub(super) fn partitions(&self) -> &Partitions {
        &self.partitions
    }

    /// Begins a batch that is counted at `tally`, and keeps what its messages stand in until all reports have come.
    ///
    /// # Panics
    /// When reports of an earlier batch are still to come.
    pub(super) fn begin(&self, tally: usize, messages: &Arc<Vec<u8>>) {
        assert!(self.is_complete(tally), "librdkafka still reads the messages that were counted here before");
        *self.messages(tally) = Some(Arc::clone(messages));
        self.tallies[tally].unfinished.store(1, Ordering::Release);
    }

    /// Expects reports for a chunk of a batch that has begun; gives its number, or nothing while too many are under way.
    pub(super) fn expect(&self, tally: usize, messages: usize) -> Option<usize> {
        let messages = u32::try_from(messages).expect("no batch holds so many lines");
        let number = (0..CHUNKS).find(|&number| self.is_finished(number))?;
        self.tallies[tally].unfinished.fetch_add(1, Ordering::AcqRel);
        self.chunks[number].store(messages, Ordering::Release);
        Some(number)
    }

    /// No further chunk of the batch comes.
    pub(super) fn end(&self, tally: usize) {
        self.finish_one(tally);
    }

    /// How many chunks have reports that are still to come.
    pub fn unfinished(&self, tally: usize) -> u32 {
        self.tallies[tally].unfinished.load(Ordering::Acquire)
    }

    /// Whether every report has come.
    pub fn is_complete(&self, tally: usize) -> bool {
        self.unfinished(tally) == 0
    }

    /// Whether every report of a chunk has come.
    pub(super) fn is_finished(&self, number: usize) -> bool {
        self.chunks[number].load(Ordering::Acquire) == 0
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

    /// Returns when a chunk has been finished since the last time.
    pub async fn finished(&self) {
        self.finished.notified().await;
    }

    /// Counts one report.
    pub(super) fn report(&self, opaque: usize, failure: Option<RDKafkaErrorCode>) {
        let (tally, number, line) = parts(opaque);
        if let Some(code) = failure {
            self.fail(tally, line, code);
        }
        if self.chunks[number].fetch_sub(1, Ordering::AcqRel) == 1 {
            self.finish_one(tally);
        }
    }

    /// Adds a line that is not delivered.
    pub(super) fn fail(&self, tally: usize, line: usize, code: RDKafkaErrorCode) {
        let failures = &self.tallies[tally].failures;
        failures.lock().unwrap_or_else(PoisonError::into_inner).push(Failure { line, code });
    }

    fn finish_one(&self, tally: usize) {
        self.tallies[tally].unfinished.fetch_sub(1, Ordering::AcqRel);
        self.finished.notify_one();
    }
}

/// The opaque value of a message: where its batch is counted, its chunk's number, its line.
pub(super) fn opaque(tally: usize, number: usize, line: usize) -> usize {
    (tally << CHUNK_BITS | number) << LINE_BITS | line
}

fn parts(opaque: usize) -> (usize, usize, usize) {
    let lowest = |value: usize, bits: u32| value & ((1 << bits) - 1);
    let chunk = opaque >> LINE_BITS;
    (chunk >> CHUNK_BITS, lowest(chunk, CHUNK_BITS), lowest(opaque, LINE_BITS))
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
        self.troubles.hear(&error, reason);
    }

    /// How the producer does, for those who ask.
    fn stats(&self, statistics: Statistics) {
        let Statistics { msg_cnt, msg_size, txmsgs, brokers, .. } = statistics;
        let retries = brokers.values().map(|broker| broker.txretries).sum();
        let earlier = self.retries.swap(retries, Ordering::Relaxed);
        self.troubles.add_retries(retries.saturating_sub(earlier));
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
        reports.begin(0, &messages);
        reports.begin(0, &messages);
    }

    #[tokio::test]
    async fn a_batch_is_complete_when_all_its_chunks_are() {
        let reports = Reports::new(2, Arc::default());
        let messages = Arc::new(Vec::new());
        reports.begin(1, &messages);
        let first = reports.expect(1, 2).unwrap();
        let second = reports.expect(1, 1).unwrap();
        reports.end(1);
        reports.report(opaque(1, first, 0), None);
        assert!(!reports.is_finished(first));
        reports.report(opaque(1, first, 1), Some(RDKafkaErrorCode::InvalidRecord));
        reports.finished().await;
        assert!(reports.is_finished(first) && !reports.is_complete(1));
        reports.report(opaque(1, second, 2), None);
        reports.finished().await;
        assert!(reports.is_complete(1));
        assert_eq!(Arc::strong_count(&messages), 2);
        assert_eq!(reports.take_failures(1), [Failure { line: 1, code: RDKafkaErrorCode::InvalidRecord }]);
        assert!(reports.take_failures(1).is_empty());
        assert_eq!(Arc::strong_count(&messages), 1);
    }

    #[test]
    fn a_chunk_has_the_number_of_one_that_is_finished_or_none() {
        let reports = Reports::new(1, Arc::default());
        reports.begin(0, &Arc::default());
        for number in 0..CHUNKS {
            assert_eq!(reports.expect(0, 1), Some(number));
        }
        assert_eq!(reports.expect(0, 1), None);
        reports.report(opaque(0, 7, 0), None);
        assert_eq!(reports.expect(0, 1), Some(7));
    }
}
