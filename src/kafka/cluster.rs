//! Asks a cluster what it has, for people: they want to know what is wrong when it does not answer.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use rdkafka::ClientContext;
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::consumer::{BaseConsumer, Consumer as _, ConsumerContext};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use tracing::{debug, warn};

use super::publisher::blocking;
use super::settings::Settings;

/// How long Kafka may take to answer for the first time.
const PATIENCE: Duration = Duration::from_secs(10);
/// How long one question may take.
pub(super) const ANSWER_TIMEOUT: Duration = Duration::from_secs(2);
/// The same trouble is told again after this long.
const TELL_AGAIN: Duration = Duration::from_secs(30);
/// Settings that librdkafka looks into when a client is made, and our names for them.
const CERTIFICATES: [(&str, &str); 3] = [
    ("ssl.ca.pem", "KAFKA_TRUSTED_CERT"),
    ("ssl.certificate.pem", "KAFKA_CLIENT_CERT"),
    ("ssl.key.pem", "KAFKA_CLIENT_CERT_KEY"),
];

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
    pub consumer: BaseConsumer<Trouble>,
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
        let consumer = config.create_with_context(Trouble::default()).map_err(|error| setting(&error))?;
        Ok(Self { consumer, brokers: settings.brokers() })
    }

    /// The first question, for which Kafka may take longer; whatever goes wrong meanwhile is told at the end only.
    pub fn first_look(&self) -> Result<Cluster, NoCluster> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            match self.look() {
                Ok(cluster) => {
                    self.consumer.context().tell_from_now_on();
                    return Ok(cluster);
                }
                Err(error) if Instant::now() >= deadline => {
                    let why = self.consumer.context().last().unwrap_or_else(|| words(&error));
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

/// What a question without an answer means, where the client has nothing to say of it.
fn words(error: &KafkaError) -> String {
    match error.rdkafka_error_code() {
        Some(RDKafkaErrorCode::OperationTimedOut | RDKafkaErrorCode::BrokerTransportFailure) => {
            "whoever listens there does not speak as a broker does".to_owned()
        }
        _ => error.to_string(),
    }
}

/// librdkafka's words without the broker before them and the times behind.
fn reason(text: &str) -> &str {
    let from = text.find("Connect to ").or_else(|| text.find("SSL handshake")).unwrap_or(0);
    let text = &text[from..];
    text.rfind(" (after ").map_or(text, |end| &text[..end])
}

fn setting(error: &KafkaError) -> NoCluster {
    let KafkaError::ClientCreation(reason) = error else {
        return NoCluster::Setting(format!("kafka: {error}"));
    };
    let variable = CERTIFICATES.iter().find(|(property, _)| reason.contains(property));
    NoCluster::Setting(match variable {
        Some((_, variable)) => format!("{variable}: {reason}"),
        None => format!("kafka: {reason}"),
    })
}

/// What the client says of its troubles.
#[derive(Default)]
pub(super) struct Trouble(Mutex<Told>);

#[derive(Default)]
struct Told {
    last: Option<String>,
    is_told: bool,
    told_at: Option<Instant>,
}

impl Trouble {
    fn last(&self) -> Option<String> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).last.clone()
    }

    fn tell_from_now_on(&self) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).is_told = true;
    }
}

impl ClientContext for Trouble {
    /// librdkafka tells of every attempt to connect: that is for those who ask.
    fn log(&self, level: RDKafkaLogLevel, facility: &str, text: &str) {
        debug!(?level, facility, text, "librdkafka");
    }

    fn error(&self, error: KafkaError, text: &str) {
        let ours = [RDKafkaErrorCode::AllBrokersDown, RDKafkaErrorCode::GroupAuthorizationFailed];
        if error.rdkafka_error_code().is_some_and(|code| ours.contains(&code)) {
            // The first says nothing new; the second is of no account, since we use no group.
            return;
        }
        let reason = reason(text);
        let mut told = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if told.is_told && told.told_at.is_none_or(|at| at.elapsed() >= TELL_AGAIN) {
            told.told_at = Some(Instant::now());
            warn!(reason, "kafka is in trouble, trying again");
        }
        told.last = Some(reason.to_owned());
    }
}

impl ConsumerContext for Trouble {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reason_is_shown_without_its_trappings() {
        let text = "a:1/bootstrap: Connect to ipv4#1.2.3.4:1 failed: Connection refused (after 0ms in state CONNECT)";
        assert_eq!(reason(text), "Connect to ipv4#1.2.3.4:1 failed: Connection refused");
        let text =
            "ssl://a:1/bootstrap: SSL handshake failed: certificate verify failed (after 5ms in state SSL)";
        assert_eq!(reason(text), "SSL handshake failed: certificate verify failed");
        assert_eq!(reason("something else"), "something else");
    }
}
