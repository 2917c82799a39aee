//! Asks a cluster what it has, for people: they want to know what is wrong when it does not answer.

use std::time::{Duration, Instant};

use rdkafka::ClientContext;
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::consumer::{BaseConsumer, Consumer as _, ConsumerContext};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use tracing::debug;

use super::publisher::blocking;
use super::settings::{Settings, refused};
use super::troubles::Troubles;

/// How long Kafka may take to answer for the first time.
const PATIENCE: Duration = Duration::from_secs(10);
/// How long one question may take.
pub(super) const ANSWER_TIMEOUT: Duration = Duration::from_secs(2);
/// Why a cluster tells nothing; each is one line for the user.
#[derive(Debug, thiserror::Error)]
pub enum NoCluster {
    /// Names the variable to mend.
    #[error("{0}")]
    Setting(String),
    #[error("kafka at {brokers} does not answer: {why}")]
    NoAnswer { brokers: String, why: String },
}

/// What a cluster says of itself.
#[derive(Debug, Clone)]
pub struct Cluster {
    /// `host:port` of each broker.
    pub brokers: Vec<String>,
    /// The topics that we are shown, with their partitions.
    pub topics: Vec<(String, Vec<i32>)>,
}

impl Cluster {
    /// Asks for the brokers and all topics.
    ///
    /// # Errors
    /// When a setting is wrong, or Kafka does not answer within ten seconds.
    pub async fn look(settings: &Settings) -> Result<Self, NoCluster> {
        let settings = settings.clone();
        blocking(move || Visitor::new(&settings)?.first_look()).await
    }
}

/// A client that writes nothing and belongs to no group. All its calls block.
pub(super) struct Visitor {
    pub consumer: BaseConsumer<Context>,
    brokers: String,
}

impl Visitor {
    pub fn new(settings: &Settings) -> Result<Self, NoCluster> {
        let mut config = settings.client().map_err(NoCluster::Setting)?;
        config
            // librdkafka wants a name even though no group is joined and nothing committed.
            .set("group.id", format!("{}kafkastore-tail", settings.kafka_prefix))
            .set("enable.auto.commit", "false")
            .set("enable.auto.offset.store", "false")
            .set("auto.offset.reset", "earliest")
            .set("enable.partition.eof", "false")
            .set("allow.auto.create.topics", "false");
        let consumer = config
            .create_with_context(Context(Troubles::silent()))
            .map_err(|error| NoCluster::Setting(refused(&error)))?;
        Ok(Self { consumer, brokers: settings.brokers() })
    }

    /// The first question, for which Kafka may take longer; whatever goes wrong meanwhile is told at the end only.
    pub fn first_look(&self) -> Result<Cluster, NoCluster> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            match self.look() {
                Ok(cluster) => {
                    self.consumer.context().0.tell_from_now_on();
                    return Ok(cluster);
                }
                Err(error) if Instant::now() >= deadline => {
                    let heard = self.consumer.context().0.why(error.rdkafka_error_code());
                    let why = heard.unwrap_or_else(|| error.to_string());
                    return Err(NoCluster::NoAnswer { brokers: self.brokers.clone(), why });
                }
                // This is when the client tells of its troubles; messages there are none yet.
                Err(_) => drop(self.consumer.poll(Duration::from_millis(100))),
            }
        }
    }

    pub fn look(&self) -> Result<Cluster, KafkaError> {
        let metadata = self.consumer.fetch_metadata(None, ANSWER_TIMEOUT)?;
        let brokers = metadata.brokers().iter().map(|broker| format!("{}:{}", broker.host(), broker.port()));
        let topics = metadata.topics().iter().filter(|topic| topic.error().is_none()).map(|topic| {
            let partitions = topic.partitions().iter().map(|partition| partition.id()).collect();
            (topic.name().to_owned(), partitions)
        });
        Ok(Cluster { brokers: brokers.collect(), topics: topics.collect() })
    }
}

/// What the client says of its troubles.
pub(super) struct Context(Troubles);

impl ClientContext for Context {
    /// librdkafka tells of every attempt to connect: that is for those who ask.
    fn log(&self, level: RDKafkaLogLevel, facility: &str, text: &str) {
        debug!(?level, facility, text, "librdkafka");
    }

    fn error(&self, error: KafkaError, text: &str) {
        // That is of no account, since we use no group.
        if error.rdkafka_error_code() != Some(RDKafkaErrorCode::GroupAuthorizationFailed) {
            self.0.hear(&error, text);
        }
    }
}

impl ConsumerContext for Context {}
