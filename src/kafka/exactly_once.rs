//! Exactly-once: one transaction a batch, which also stores the batch's seq, as an offset of a group that reads nothing.
//! So Kafka itself knows which batches it has, and whoever takes a slot over asks before anything is sent again.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use clap::Args;
use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, TopicReplication};
use rdkafka::client::DefaultClientContext;
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::consumer::{BaseConsumer, Consumer as _, ConsumerContext, ConsumerGroupMetadata};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::producer::Producer as _;
use rdkafka::{ClientConfig, ClientContext, Offset, TopicPartitionList};
use tracing::{debug, info};

use super::cluster::ANSWER_TIMEOUT;
use super::publisher::{Publisher, blocking};
use super::reports::{Troubles, code};

/// How long a transaction may take before the cluster aborts it: longer than a take-over, so that it never aborts one
/// of a worker that lives and is only held up; readers of committed messages wait for one that was left this long.
const TRANSACTION_TIMEOUT: Duration = Duration::from_secs(60);
/// How long one call may take before its outcome counts as not certain; a commit takes a tenth of a second.
const CALL_TIMEOUT: Duration = Duration::from_secs(20);
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
/// The one partition that seqs are stored for.
const PARTITION: i32 = 0;

#[derive(Args, Clone)]
#[command(next_help_heading = "Kafka")]
#[group(skip)]
pub struct Settings {
    /// Exactly-once: the topic whose offsets say which batches have been delivered; it is made with one partition
    #[arg(
        long,
        env = "OFFSETS_TOPIC",
        value_name = "TOPIC",
        default_value = "kafkastore-offsets",
        value_parser = super::settings::parse_topic
    )]
    pub offsets_topic: String,
}

/// What went wrong with a transaction, by what is to be done about it.
#[derive(Debug, thiserror::Error)]
pub enum Trouble {
    /// It can be aborted, and its batch sent again by the same producer.
    #[error("{0}")]
    Abort(KafkaError),
    /// The producer is of no use any more (it was fenced, or failed for good), or nobody knows how its transaction
    /// ended: a new one must be started, and asked what is stored.
    #[error("{0}")]
    Renew(KafkaError),
    /// One plain line that names the setting and the permission that is needed.
    #[error("{0}")]
    NotPermitted(String),
    /// Batches are in flight, but what was stored for their slot is gone.
    #[error(
        "kafka has no seq stored for the group {group} and the topic {topic}, so that nobody knows which batches in \
         flight it has: put KAFKA_URL, KAFKA_PREFIX and OFFSETS_TOPIC back if they were changed; if it is gone for \
         good, stop the workers and run give-back --accept-duplicates"
    )]
    SeqMissing { group: String, topic: String },
}

impl Trouble {
    /// Kafka's word for it.
    pub fn code(&self) -> Option<RDKafkaErrorCode> {
        match self {
            Self::Abort(error) | Self::Renew(error) => Some(code(error)),
            Self::NotPermitted(_) | Self::SeqMissing { .. } => None,
        }
    }
}

impl From<KafkaError> for Trouble {
    fn from(error: KafkaError) -> Self {
        match &error {
            KafkaError::Transaction(inner) if inner.txn_requires_abort() => Self::Abort(error),
            _ => Self::Renew(error),
        }
    }
}

/// A slot, as far as Kafka is concerned with it.
#[derive(Debug, Clone, Copy)]
pub struct Account<'a> {
    /// The random name of the Redis database.
    pub installation: &'a str,
    pub slot: u64,
    /// The seq before that of its first batch; nothing where batches are in flight.
    pub start: Option<u64>,
}

/// What came of trying it out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TriedOut {
    Committed,
    /// Transactions were initialised, and nothing was stored: there is no topic for it.
    TopicAbsent {
        topic: String,
    },
}

/// What slots need to deliver exactly once.
pub struct ExactlyOnce {
    producer: ClientConfig,
    client: ClientConfig,
    offsets_topic: String,
    /// What every transactional id and group begins with.
    names: String,
    troubles: Arc<Troubles>,
}

impl ExactlyOnce {
    /// `producer` is the configuration of a producer that delivers at least once.
    ///
    /// # Errors
    /// A plain line that names the variable.
    pub fn new(
        kafka: &super::Settings,
        settings: &Settings,
        queue: &str,
        mut producer: ClientConfig,
        troubles: &Arc<Troubles>,
    ) -> Result<Self, String> {
        // A message may then take as long as its transaction.
        producer.remove("message.timeout.ms");
        producer.set("transaction.timeout.ms", TRANSACTION_TIMEOUT.as_millis().to_string());
        let prefix = &kafka.kafka_prefix;
        Ok(Self {
            producer,
            client: kafka.client()?,
            offsets_topic: format!("{prefix}{}", settings.offsets_topic),
            names: format!("{prefix}kafkastore.{queue}."),
            troubles: Arc::clone(troubles),
        })
    }

    /// Starts the one producer of a slot, and reads what its predecessor has stored last.
    ///
    /// The order is what makes it safe. First the transactions are initialised: that fences whoever had the slot
    /// before, aborts what he has open, and waits for what he was committing. Only then is the stored seq read: read
    /// before, it could be that of a moment before his last commit, and his batch would be sent a second time. For
    /// the same reason it is read with `read_committed`, which waits for a seq that is not settled yet.
    ///
    /// A slot for which nothing is stored yet has its start stored before anything is reserved in it. So, where batches
    /// are in flight, a seq that is missing was lost, and is never taken for that of a new slot.
    ///
    /// # Errors
    /// Whatever stands in the way; it may be tried again.
    pub async fn start(&self, account: Account<'_>, batches: usize) -> Result<(Publisher, Ledger), Trouble> {
        self.provide_topic().await?;
        let (publisher, name) = self.initialise(account.installation, account.slot, batches).await?;
        fail::fail_point!("initialised");
        match self.settle(name, account.start, &publisher).await {
            Ok(ledger) => Ok((publisher, ledger)),
            Err(trouble) => {
                publisher.stop().await;
                Err(trouble)
            }
        }
    }

    /// Starts a producer and initialises its transactions; gives its name as well.
    async fn initialise(
        &self,
        installation: &str,
        slot: u64,
        batches: usize,
    ) -> Result<(Publisher, String), Trouble> {
        let name = format!("{}{installation}.{slot}", self.names);
        let mut config = self.producer.clone();
        config.set("transactional.id", &name);
        let publisher = Publisher::start(&config, batches, &self.troubles).await?;
        let client = publisher.client().clone();
        match call(move || client.init_transactions(CALL_TIMEOUT)).await {
            Ok(()) => Ok((publisher, name)),
            Err(error) => {
                publisher.stop().await;
                Err(self.explain(error))
            }
        }
    }

    async fn settle(
        &self,
        name: String,
        start: Option<u64>,
        publisher: &Publisher,
    ) -> Result<Ledger, Trouble> {
        let mut ledger = self.read(name.clone(), publisher).await.map_err(|error| self.explain(error))?;
        if ledger.stored.is_none() {
            let topic = self.offsets_topic.clone();
            let start = start.ok_or(Trouble::SeqMissing { group: name, topic })?;
            self.store(&mut ledger, publisher, start).await?;
        }
        Ok(ledger)
    }

    async fn read(&self, group: String, publisher: &Publisher) -> Result<Ledger, KafkaError> {
        let mut config = self.client.clone();
        config
            .set("group.id", group)
            .set("isolation.level", "read_committed")
            .set("enable.auto.commit", "false")
            .set("enable.auto.offset.store", "false");
        let topic = self.offsets_topic.clone();
        let client = publisher.client().clone();
        let read = blocking(move || {
            let consumer: BaseConsumer<Refusal> = config.create_with_context(Refusal::default())?;
            // A consumer that was given a group has its metadata, whether or not it ever joins.
            let group = consumer.group_metadata().expect("the group was set just now");
            let mut ledger =
                Ledger { group: Arc::new(group), topic, stored: None, stored_at: Instant::now() };
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

    /// Tries it out on a slot that no worker has. The topic of offsets is created only where that `may_create` it.
    ///
    /// # Errors
    /// What a worker would meet.
    pub async fn try_out(&self, may_create: bool) -> Result<TriedOut, Trouble> {
        if !may_create && !self.has_topic().await? {
            let (publisher, _) = self.initialise("check", 0, 1).await?;
            publisher.stop().await;
            return Ok(TriedOut::TopicAbsent { topic: self.offsets_topic.clone() });
        }
        let account = Account { installation: "check", slot: 0, start: Some(0) };
        let (publisher, mut ledger) = self.start(account, 1).await?;
        let stored = self.store(&mut ledger, &publisher, 0).await;
        publisher.stop().await;
        stored.map(|()| TriedOut::Committed)
    }

    /// Creates the topic of offsets where it is not there.
    async fn provide_topic(&self) -> Result<(), Trouble> {
        if self.has_topic().await? {
            return Ok(());
        }
        let topic = self.offsets_topic.as_str();
        let admin: AdminClient<DefaultClientContext> = self.client.create()?;
        // -1: as many copies as the cluster makes of any topic.
        let new = NewTopic::new(topic, PARTITION + 1, TopicReplication::Fixed(-1));
        let options = AdminOptions::new().request_timeout(Some(CALL_TIMEOUT));
        let created = admin.create_topics([&new], &options).await;
        blocking(move || drop(admin)).await;
        match created?.into_iter().next() {
            Some(Err((_, RDKafkaErrorCode::TopicAlreadyExists))) => Ok(()),
            Some(Err((
                _,
                error @ (RDKafkaErrorCode::TopicAuthorizationFailed
                | RDKafkaErrorCode::ClusterAuthorizationFailed
                | RDKafkaErrorCode::PolicyViolation),
            ))) => Err(Trouble::NotPermitted(format!(
                "OFFSETS_TOPIC: exactly-once needs the topic {topic}, which is not there, or not shown to this user, \
                 and could not be created ({error}): create it with one partition"
            ))),
            Some(Err((_, error))) => Err(KafkaError::AdminOp(error).into()),
            Some(Ok(_)) | None => {
                info!(topic, "the topic of offsets was created");
                Ok(())
            }
        }
    }

    /// All topics are listed: one that is asked for by name might be created with any number of partitions.
    async fn has_topic(&self) -> Result<bool, KafkaError> {
        let client: BaseConsumer<Refusal> = self.client.create_with_context(Refusal::default())?;
        let topic = self.offsets_topic.clone();
        blocking(move || {
            let listed = client.fetch_metadata(None, CALL_TIMEOUT)?;
            Ok(listed.topics().iter().any(|found| found.name() == topic))
        })
        .await
    }

    /// Names what is to be granted, where it is a permission that is missing.
    fn explain(&self, error: KafkaError) -> Trouble {
        let (names, topic) = (&self.names, &self.offsets_topic);
        let needed = match code(&error) {
            RDKafkaErrorCode::TransactionalIdAuthorizationFailed => {
                format!("Write and Describe on transactional ids that begin with {names}")
            }
            RDKafkaErrorCode::GroupAuthorizationFailed => format!("Read on groups that begin with {names}"),
            RDKafkaErrorCode::TopicAuthorizationFailed => format!("Read on the topic {topic}"),
            _ => return error.into(),
        };
        Trouble::NotPermitted(format!(
            "DELIVERY: exactly-once needs the permission (ACL) to {needed}: grant it, or set at-least-once"
        ))
    }

    /// Stores a seq by itself.
    ///
    /// # Errors
    /// As [`Ledger::commit`], permissions explained.
    pub async fn store(&self, ledger: &mut Ledger, publisher: &Publisher, seq: u64) -> Result<(), Trouble> {
        ledger.begin(publisher)?;
        let committed = ledger.commit(publisher, seq).await;
        committed.map_err(|trouble| match trouble {
            Trouble::Abort(error) | Trouble::Renew(error) => self.explain(error),
            other => other,
        })
    }
}

/// Makes a call that blocks, and does not wait for it any longer than it should take.
async fn call<T: Send + 'static>(
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
struct Refusal(Mutex<Option<KafkaError>>);

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

/// What Kafka has stored for a slot.
pub struct Ledger {
    group: Arc<ConsumerGroupMetadata>,
    topic: String,
    stored: Option<u64>,
    stored_at: Instant,
}

impl Ledger {
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
