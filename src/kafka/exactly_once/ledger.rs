//! What Kafka has stored for a slot, and the transactions that store more: the one offset of a group that reads nothing.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use rdkafka::config::RDKafkaLogLevel;
use rdkafka::consumer::{BaseConsumer, Consumer as _, ConsumerContext, ConsumerGroupMetadata};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::producer::Producer as _;
use rdkafka::{ClientConfig, ClientContext, Offset, TopicPartitionList};
use tracing::debug;

use super::{CALL_TIMEOUT, PARTITION, Trouble};
use crate::kafka::cluster::ANSWER_TIMEOUT;
use crate::kafka::publisher::{Publisher, blocking};
use crate::kafka::reports::code;

/// librdkafka 2.12 does not keep to that time where the coordinator of the group went at the wrong moment, and may wait for
/// ever (its issues 5456 and 5511): the call is then left behind, with its thread and its producer.
const CALL_LEFT_BEHIND: Duration = Duration::from_secs(25);
/// How long a seq may stay unsettled after the transactions were initialised.
const UNSETTLED_AFTER: Duration = Duration::from_secs(5);
/// As [`CALL_LEFT_BEHIND`], for the calls that reading the stored seq takes.
const READ_LEFT_BEHIND: Duration = Duration::from_secs(75);
/// How soon to look whether librdkafka has let go of the last message.
const RELEASE_LOOK: Duration = Duration::from_micros(200);
/// Offsets expire, after a week as a rule, and a lane may be idle for longer.
const STORE_AGAIN: Duration = Duration::from_secs(24 * 60 * 60);

/// What Kafka has stored for a slot.
pub struct Ledger {
    group: Arc<ConsumerGroupMetadata>,
    topic: String,
    stored: Option<u64>,
    stored_at: Instant,
}

impl Ledger {
    /// Reads what is stored for the group in `config`, for a topic of which one partition is looked at.
    ///
    /// # Errors
    /// When Kafka does not tell, or refuses to.
    pub(super) async fn read(
        mut config: ClientConfig,
        topic: String,
        publisher: &Publisher,
    ) -> Result<Self, KafkaError> {
        config
            .set("isolation.level", "read_committed")
            .set("enable.auto.commit", "false")
            .set("enable.auto.offset.store", "false");
        let client = publisher.client().clone();
        let read = blocking(move || {
            let consumer: BaseConsumer<Refusal> = config.create_with_context(Refusal::default())?;
            // A consumer that was given a group has its metadata, whether or not it ever joins.
            let group = consumer.group_metadata().expect("the group was set just now");
            let mut ledger = Self { group: Arc::new(group), topic, stored: None, stored_at: Instant::now() };
            let mut answer = committed(&consumer, &ledger.topic, UNSETTLED_AFTER);
            if answer.as_ref().is_err_and(|error| code(error) == RDKafkaErrorCode::OperationTimedOut) {
                // An offset of a former transaction that came after its end is never settled by itself. No other can be
                // left since the transactions were initialised, so the end of a further one, which aborts whatever
                // offset the same producer has open, settles it.
                client.begin_transaction()?;
                client.send_offsets_to_transaction(&ledger.offsets(0)?, &ledger.group, CALL_TIMEOUT)?;
                client.abort_transaction(CALL_TIMEOUT)?;
                answer = committed(&consumer, &ledger.topic, CALL_TIMEOUT);
            }
            ledger.stored = stored(&answer?, &ledger.topic)?;
            Ok(ledger)
        });
        let read = tokio::time::timeout(READ_LEFT_BEHIND, read).await;
        read.unwrap_or(Err(KafkaError::Global(RDKafkaErrorCode::OperationTimedOut)))
    }

    /// The seq of the last batch that was committed, or the slot's start.
    pub fn stored(&self) -> Option<u64> {
        self.stored
    }

    /// Whether it is time to store the same seq again.
    pub fn is_old(&self) -> bool {
        fail::fail_point!("a_day_later", |_| true);
        self.stored_at.elapsed() >= STORE_AGAIN
    }

    /// Begins a transaction; all that is sent from now on is part of it.
    ///
    /// # Errors
    /// When the producer has failed for good.
    pub fn begin(&self, publisher: &Publisher) -> Result<(), Trouble> {
        Ok(publisher.client().begin_transaction()?)
    }

    /// Commits, and stores `seq` in the same step; all that was sent must have been delivered.
    ///
    /// # Errors
    /// After [`Trouble::Abort`] nothing of it is there, once it has been aborted; otherwise it is not certain.
    pub async fn commit(&mut self, publisher: &Publisher, seq: u64) -> Result<(), Trouble> {
        let client = publisher.client().clone();
        let (offsets, group) = (self.offsets(seq)?, Arc::clone(&self.group));
        call(move || {
            // librdkafka lets go of messages a moment after it has reported them; the client would meanwhile wait for
            // a tenth of a second.
            let deadline = Instant::now() + CALL_TIMEOUT;
            while client.in_flight_count() > 0 && Instant::now() < deadline {
                std::thread::sleep(RELEASE_LOOK);
            }
            client.send_offsets_to_transaction(&offsets, &group, CALL_TIMEOUT)
        })
        .await?;
        fail::fail_point!("stored");
        let client = publisher.client().clone();
        call(move || client.commit_transaction(CALL_TIMEOUT)).await?;
        fail::fail_point!("committed");
        self.stored = Some(seq);
        self.stored_at = Instant::now();
        Ok(())
    }

    /// Aborts the transaction.
    ///
    /// # Errors
    /// When it is not certain that it was aborted.
    pub async fn abort(&self, publisher: &Publisher) -> Result<(), Trouble> {
        let client = publisher.client().clone();
        call(move || client.abort_transaction(CALL_TIMEOUT)).await?;
        Ok(())
    }

    /// Why the transaction cannot be committed; nothing where it could be.
    pub async fn failure(&self, publisher: &Publisher) -> Option<Trouble> {
        let client = publisher.client().clone();
        let group = Arc::clone(&self.group);
        let offsets = match self.offsets(self.stored.unwrap_or_default()) {
            Ok(offsets) => offsets,
            Err(error) => return Some(error.into()),
        };
        // Whatever was wrong before is what this call is refused with; where it is not, it goes with the abort.
        let asked = call(move || client.send_offsets_to_transaction(&offsets, &group, CALL_TIMEOUT));
        asked.await.err().map(Trouble::from)
    }

    fn offsets(&self, seq: u64) -> Result<TopicPartitionList, KafkaError> {
        let mut offsets = TopicPartitionList::new();
        let offset = i64::try_from(seq).expect("microseconds fit for 292,000 years");
        offsets.add_partition_offset(&self.topic, PARTITION, Offset::Offset(offset))?;
        Ok(offsets)
    }
}

/// Makes a call that blocks, and does not wait for it any longer than it should take.
pub(super) async fn call<T: Send + 'static>(
    call: impl FnOnce() -> Result<T, KafkaError> + Send + 'static,
) -> Result<T, KafkaError> {
    let answer = tokio::time::timeout(CALL_LEFT_BEHIND, blocking(call)).await;
    answer.unwrap_or(Err(KafkaError::Global(RDKafkaErrorCode::OperationTimedOut)))
}

/// The offset in an answer; nothing where none was ever committed.
fn stored(answer: &TopicPartitionList, topic: &str) -> Result<Option<u64>, KafkaError> {
    let found = answer.find_partition(topic, PARTITION);
    match found.map(|partition| (partition.error(), partition.offset())) {
        Some((Err(error), _)) => Err(error),
        Some((Ok(()), Offset::Offset(seq))) => Ok(u64::try_from(seq).ok()),
        _ => Ok(None),
    }
}

/// Asks for the offset that was committed last; while one is not settled yet Kafka gives none.
fn committed(
    consumer: &BaseConsumer<Refusal>,
    topic: &str,
    timeout: Duration,
) -> Result<TopicPartitionList, KafkaError> {
    let deadline = Instant::now() + timeout;
    loop {
        let mut asked = TopicPartitionList::new();
        asked.add_partition(topic, PARTITION);
        match consumer.committed_offsets(asked, ANSWER_TIMEOUT) {
            Err(error)
                if code(&error) == RDKafkaErrorCode::OperationTimedOut && Instant::now() < deadline =>
            {
                // A refusal is told here, and not to the one who has asked.
                drop(consumer.poll(Duration::ZERO));
                if let Some(refusal) =
                    consumer.context().0.lock().unwrap_or_else(PoisonError::into_inner).take()
                {
                    return Err(refusal);
                }
            }
            answer => return answer,
        }
    }
}

/// Why the coordinator of a group tells us nothing.
#[derive(Default)]
pub(super) struct Refusal(Mutex<Option<KafkaError>>);

impl ClientContext for Refusal {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, text: &str) {
        debug!(?level, facility, text, "librdkafka");
    }

    fn error(&self, error: KafkaError, text: &str) {
        debug!(%error, text, "librdkafka");
        if code(&error) == RDKafkaErrorCode::GroupAuthorizationFailed {
            *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(error);
        }
    }
}

impl ConsumerContext for Refusal {}
