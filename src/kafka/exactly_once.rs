//! Exactly-once: one transaction a batch, which also stores the batch's seq, as an offset of a group that reads nothing.
//! So Kafka itself knows which batches it has, and whoever takes a slot over asks before anything is sent again.

use std::sync::Arc;
use std::time::Duration;

use clap::Args;
use rdkafka::ClientConfig;
use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, TopicReplication};
use rdkafka::client::DefaultClientContext;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::producer::Producer as _;
use tracing::info;

use super::publisher::{Publisher, blocking};
use super::reports::code;
use super::topics;
use super::troubles::Troubles;

mod ledger;

pub use ledger::Ledger;
use ledger::call;

/// How long a transaction may take before the cluster aborts it: longer than a take-over, so that it never aborts one
/// of a worker that lives and is only held up; readers of committed messages wait for one that was left this long.
const TRANSACTION_TIMEOUT: Duration = Duration::from_secs(60);
/// How long one call may take before its outcome counts as not certain; a commit takes a tenth of a second.
const CALL_TIMEOUT: Duration = Duration::from_secs(20);
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
        if ledger.stored().is_none() {
            let topic = self.offsets_topic.clone();
            let start = start.ok_or(Trouble::SeqMissing { group: name, topic })?;
            self.store(&mut ledger, publisher, start).await?;
        }
        Ok(ledger)
    }

    async fn read(&self, group: String, publisher: &Publisher) -> Result<Ledger, KafkaError> {
        let mut config = self.client.clone();
        config.set("group.id", group);
        Ledger::read(config, self.offsets_topic.clone(), publisher).await
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
        let publisher = Publisher::start(&self.producer, 1, &self.troubles).await?;
        let listed = topics::list(&publisher).await;
        publisher.stop().await;
        Ok(listed?.contains(&self.offsets_topic))
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
