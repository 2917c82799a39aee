//! Where Kafka is, how it is reached, and what librdkafka is told.

use clap::{Args, ValueEnum};
use openssl::asn1::Asn1Time;
use openssl::x509::X509;
use rdkafka::ClientConfig;
use rdkafka::error::KafkaError;
use rdkafka::producer::BaseProducer;

/// Properties on which the guarantees rest, or that have a setting of their own.
const OURS: [(&str, &str); 18] = [
    ("acks", "no message may be lost with a broker"),
    ("request.required.acks", "no message may be lost with a broker"),
    ("enable.idempotence", "no message may be written twice by a retry"),
    ("message.timeout.ms", "the worker decides when to give up"),
    ("delivery.timeout.ms", "the worker decides when to give up"),
    ("message.send.max.retries", "the worker decides when to give up"),
    ("retries", "the worker decides when to give up"),
    ("delivery.report.only.error", "every message is counted"),
    ("transactional.id", "the worker chooses it"),
    ("transaction.timeout.ms", "it must be longer than a take-over"),
    ("isolation.level", "what is not committed must not be taken for delivered"),
    ("partitioner", "the worker chooses partitions"),
    ("sticky.partitioning.linger.ms", "the worker chooses partitions"),
    ("bootstrap.servers", "set KAFKA_URL"),
    ("metadata.broker.list", "set KAFKA_URL"),
    ("compression.type", "set KAFKA_COMPRESSION"),
    ("compression.codec", "set KAFKA_COMPRESSION"),
    ("client.id", "the worker chooses it"),
];
/// The port of an address that names none, as the program of 2016 had it.
const DEFAULT_PORT: u16 = 9092;
/// How much all producers of a worker may hold together.
const QUEUE_BUDGET_KBYTES: usize = 32 * 1024;
/// The least that one producer needs to get on.
const QUEUE_LEAST_KBYTES: usize = 4 * 1024;
/// Certificates that run out within this time are told of.
const RUNS_OUT_SOON_DAYS: u32 = 14;
/// Settings that librdkafka looks into when a client is made, and our names for them.
const CERTIFICATES: [(&str, &str); 3] = [
    ("ssl.ca.pem", "KAFKA_TRUSTED_CERT"),
    ("ssl.certificate.pem", "KAFKA_CLIENT_CERT"),
    ("ssl.key.pem", "KAFKA_CLIENT_CERT_KEY"),
];
/// librdkafka takes no smaller `message.max.bytes`.
const LEAST_MESSAGE_MAX: usize = 1000;
/// What a record batch adds to a message.
const RECORD_OVERHEAD_BYTES: usize = 512;

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Compression {
    None,
    Gzip,
    Snappy,
    Lz4,
    Zstd,
}

#[derive(Args, Clone)]
#[command(next_help_heading = "Kafka")]
#[group(skip)]
pub struct Settings {
    /// Kafka brokers, several by commas: host:port, kafka://host:port or kafka+ssl://host:port
    #[arg(long, env = "KAFKA_URL", value_name = "URL", value_delimiter = ',', value_parser = parse_broker)]
    kafka_url: Vec<Broker>,

    /// One broker at port 9092, the older name; KAFKA_URL wins
    #[arg(long, env = "KAFKA_HOST", value_name = "HOST", value_parser = parse_broker)]
    kafka_host: Option<Broker>,

    /// Stands before the name of every topic
    #[arg(long, env = "KAFKA_PREFIX", value_name = "PREFIX", default_value = "", value_parser = parse_prefix)]
    pub kafka_prefix: String,

    /// How record batches are compressed: lz4 is best where every consumer can read it, and those of 2016 cannot
    #[arg(long, env = "KAFKA_COMPRESSION", value_name = "CODEC", value_enum, default_value = "none")]
    kafka_compression: Compression,

    /// Certificate of the authority that signed the brokers' certificates (PEM text)
    #[arg(long, env = "KAFKA_TRUSTED_CERT", value_name = "PEM")]
    kafka_trusted_cert: Option<String>,

    /// Certificate to show to the brokers (PEM text)
    #[arg(long, env = "KAFKA_CLIENT_CERT", value_name = "PEM")]
    kafka_client_cert: Option<String>,

    /// Its private key (PEM text)
    #[arg(long, env = "KAFKA_CLIENT_CERT_KEY", value_name = "PEM")]
    kafka_client_cert_key: Option<String>,

    /// Any other librdkafka property, as name=value; KAFKA_PROPERTY_SASL_PASSWORD=x is sasl.password=x
    #[arg(long, value_name = "NAME=VALUE", value_parser = parse_property)]
    kafka_property: Vec<Property>,
}

/// `host:port`, and whether TLS is spoken there.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Broker {
    address: String,
    is_tls: bool,
}

/// A librdkafka property; its value may be a secret.
#[derive(Clone, PartialEq, Eq)]
struct Property {
    name: String,
    value: String,
}

fn parse_broker(text: &str) -> Result<Broker, String> {
    let text = text.trim();
    let (scheme, rest) = text.split_once("://").unwrap_or(("kafka", text));
    let wanted = "host:port, kafka://host:port or kafka+ssl://host:port is needed";
    let is_tls = match scheme {
        "kafka" => false,
        "kafka+ssl" => true,
        _ => return Err(wanted.to_owned()),
    };
    let url = url::Url::parse(&format!("kafka://{rest}")).map_err(|_| wanted.to_owned())?;
    let is_bare = url.username().is_empty() && url.password().is_none() && matches!(url.path(), "" | "/");
    let host = url.host_str().filter(|host| is_bare && !host.is_empty()).ok_or(wanted)?;
    Ok(Broker { address: format!("{host}:{}", url.port().unwrap_or(DEFAULT_PORT)), is_tls })
}

fn parse_prefix(text: &str) -> Result<String, String> {
    let is_legal = text.is_empty() || crate::payload::is_legal_topic(&format!("{text}x"));
    is_legal
        .then(|| text.to_owned())
        .ok_or_else(|| "letters, digits, '.', '_' and '-' are allowed".to_owned())
}

/// A topic's name, without the prefix.
pub fn parse_topic(text: &str) -> Result<String, String> {
    let is_legal = crate::payload::is_legal_topic(text);
    is_legal.then(|| text.to_owned()).ok_or_else(|| "not a legal topic name".to_owned())
}

fn parse_property(text: &str) -> Result<Property, String> {
    let (name, value) = text.split_once('=').ok_or("name=value is needed")?;
    if let Some((_, why)) = OURS.iter().find(|(ours, _)| *ours == name) {
        return Err(format!("{name} cannot be set: {why}"));
    }
    Ok(Property { name: name.to_owned(), value: value.to_owned() })
}

impl Settings {
    /// Whether a broker was named.
    pub fn names_a_broker(&self) -> bool {
        !self.kafka_url.is_empty() || self.kafka_host.is_some()
    }

    /// The brokers' addresses, `host:port` by commas.
    pub fn brokers(&self) -> String {
        let addresses: Vec<&str> = self.named().iter().map(|broker| broker.address.as_str()).collect();
        addresses.join(",")
    }

    /// The same settings, with the brokers at `addresses`.
    #[must_use]
    pub fn at(mut self, addresses: &str) -> Self {
        self.kafka_url = addresses.split(',').filter_map(|address| parse_broker(address).ok()).collect();
        self
    }

    fn named(&self) -> &[Broker] {
        if self.kafka_url.is_empty() { self.kafka_host.as_slice() } else { &self.kafka_url }
    }

    /// What any client of ours is told.
    ///
    /// # Errors
    /// A plain line that names the variable, when a setting is missing or librdkafka does not know it.
    pub fn client(&self) -> Result<ClientConfig, String> {
        self.with_properties(self.connection()?)
    }

    /// How the brokers are reached.
    fn connection(&self) -> Result<ClientConfig, String> {
        let brokers = self.named();
        let Some(first) = brokers.first() else {
            return Err(
                "KAFKA_URL: it must name a Kafka broker (or KAFKA_HOST, one host at port 9092)".to_owned()
            );
        };
        if brokers.iter().any(|broker| broker.is_tls != first.is_tls) {
            return Err("KAFKA_URL: all brokers must be kafka:// or all kafka+ssl://".to_owned());
        }
        let mut config = ClientConfig::new();
        config
            .set("bootstrap.servers", self.brokers())
            .set("client.id", "kafkastore")
            .set("socket.keepalive.enable", "true")
            // A broker that has gone silent is given up after this long, and not only after a minute; but one that is
            // merely slow must not be sent everything again.
            .set("socket.timeout.ms", "20000")
            .set("reconnect.backoff.max.ms", "2000")
            // Half of this is how often librdkafka connects while nobody is connected and somebody asks for metadata: left
            // alone, 20 times a second, also to a broker that will never take our certificate.
            .set("reconnect.backoff.ms", "1000");
        if first.is_tls {
            config.set("security.protocol", "ssl");
        }
        if let Some(authority) = &self.kafka_trusted_cert {
            // Who names the authority itself has brokers whose certificates hold other host names, as Heroku has.
            config.set("ssl.ca.pem", pem(authority)).set("ssl.endpoint.identification.algorithm", "none");
        }
        match (&self.kafka_client_cert, &self.kafka_client_cert_key) {
            (Some(certificate), Some(key)) => {
                config.set("ssl.certificate.pem", pem(certificate)).set("ssl.key.pem", pem(key));
            }
            (Some(_), None) => {
                return Err("KAFKA_CLIENT_CERT_KEY: it is needed where KAFKA_CLIENT_CERT is set".to_owned());
            }
            (None, Some(_)) => {
                return Err("KAFKA_CLIENT_CERT: it is needed where KAFKA_CLIENT_CERT_KEY is set".to_owned());
            }
            (None, None) => {}
        }
        Ok(config)
    }

    /// What a producer is told, one of `producers` that share the memory of a worker.
    ///
    /// # Errors
    /// As [`Settings::client`].
    pub fn producer(&self, producers: usize, message_max_bytes: usize) -> Result<ClientConfig, String> {
        let mut config = self.connection()?;
        let share = (QUEUE_BUDGET_KBYTES / producers.max(1)).max(QUEUE_LEAST_KBYTES);
        config
            .set("acks", "all")
            .set("enable.idempotence", "true")
            .set("message.timeout.ms", "0")
            // Messages are handed over a chunk at a time (see `partitions`): each is to go as one record batch, and none
            // has to wait for more than its chunk.
            .set("linger.ms", "3")
            .set("batch.num.messages", "100000")
            .set("compression.type", self.compression_name())
            .set("queue.buffering.max.kbytes", share.to_string())
            .set("queue.buffering.max.messages", "0")
            .set(
                "message.max.bytes",
                (message_max_bytes + RECORD_OVERHEAD_BYTES).max(LEAST_MESSAGE_MAX).to_string(),
            )
            .set("statistics.interval.ms", "5000");
        let config = self.with_properties(config)?;
        // Some values are refused only together with others, and PEM texts only when they are read.
        match config.create::<BaseProducer>() {
            Ok(_) => Ok(config),
            Err(error) => Err(refused(&error)),
        }
    }

    /// Last, so that the user's word counts.
    pub(super) fn with_properties(&self, mut config: ClientConfig) -> Result<ClientConfig, String> {
        for property in &self.kafka_property {
            config.set(&property.name, &property.value);
            config.create_native_config().map_err(|_| {
                format!(
                    "{}: librdkafka knows no {} with such a value",
                    variable_of(&property.name),
                    property.name
                )
            })?;
        }
        Ok(config)
    }

    /// The codec's name, as librdkafka and `KAFKA_COMPRESSION` spell it.
    pub fn compression_name(&self) -> String {
        self.kafka_compression
            .to_possible_value()
            .map(|value| value.get_name().to_owned())
            .unwrap_or_default()
    }

    /// What a user should know of these settings at start.
    pub fn warnings(&self) -> Vec<String> {
        let both = !self.kafka_url.is_empty() && self.kafka_host.is_some();
        let both = both.then(|| "KAFKA_URL and KAFKA_HOST are both set: KAFKA_URL is used".to_owned());
        let run_out = self.kafka_client_cert.as_deref().and_then(running_out);
        both.into_iter().chain(run_out).collect()
    }
}

/// What is to be said of the time until which our own certificate holds; nothing of what is none.
fn running_out(certificate: &str) -> Option<String> {
    let certificate = X509::from_pem(pem(certificate).as_bytes()).ok()?;
    let end = certificate.not_after();
    let is_before = |days| Some(end < Asn1Time::days_from_now(days).ok()?);
    if is_before(0)? {
        return Some(format!("KAFKA_CLIENT_CERT: it ran out on {end}"));
    }
    is_before(RUNS_OUT_SOON_DAYS)?.then(|| format!("KAFKA_CLIENT_CERT: it runs out on {end}"))
}

fn variable_of(property: &str) -> String {
    format!("KAFKA_PROPERTY_{}", property.replace('.', "_").to_uppercase())
}

/// Names the variable that librdkafka means when it makes no client.
pub(super) fn refused(error: &KafkaError) -> String {
    let KafkaError::ClientCreation(reason) = error else {
        return format!("kafka: {error}");
    };
    let variable = CERTIFICATES.iter().find(|(property, _)| reason.contains(property));
    match variable {
        Some((_, variable)) if reason.contains("key values mismatch") => {
            format!("{variable}: it is not the key of KAFKA_CLIENT_CERT")
        }
        Some((property, variable)) if reason.contains("not in PEM format") => {
            let password = "; or KAFKA_PROPERTY_SSL_KEY_PASSWORD is not its password";
            let or_password = if *property == "ssl.key.pem" { password } else { "" };
            format!("{variable}: it is not PEM text, or not all of it{or_password}")
        }
        Some((_, variable)) => format!("{variable}: {reason}"),
        // It puts a property's name into backticks.
        None => match reason.split('`').nth(1) {
            Some(property) => format!("{}: librdkafka refuses it: {reason}", variable_of(property)),
            None => format!("KAFKA_PROPERTY_...: librdkafka refuses these settings: {reason}"),
        },
    }
}

/// PEM text; where a variable cannot hold line ends they are written as `\n`.
fn pem(text: &str) -> String {
    text.replace("\\n", "\n")
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;

    #[derive(Parser)]
    struct Program {
        #[command(flatten)]
        kafka: Settings,
    }

    fn settings(arguments: &[&str]) -> Settings {
        Program::try_parse_from([&["program"], arguments].concat()).unwrap().kafka
    }

    #[test]
    fn brokers_are_named_in_several_ways() {
        let url = settings(&["--kafka-url", "kafka+ssl://a:9096,kafka+ssl://b:9096", "--kafka-host", "old"]);
        assert_eq!(url.brokers(), "a:9096,b:9096");
        assert_eq!(url.client().unwrap().get("security.protocol"), Some("ssl"));
        assert_eq!(url.warnings().len(), 1);
        assert_eq!(settings(&["--kafka-host", "old"]).brokers(), "old:9092");
        assert_eq!(settings(&["--kafka-url", "[::1]:1"]).brokers(), "[::1]:1");
        for wrong in ["http://a", "a b", "kafka://user:p@a", "kafka://a/topic", ""] {
            assert!(parse_broker(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn what_the_guarantees_rest_on_cannot_be_set() {
        let refused = parse_property("acks=1").err().unwrap();
        assert_eq!(refused, "acks cannot be set: no message may be lost with a broker");
        assert!(parse_property("linger.ms=1").is_ok());
    }

    #[test]
    fn an_unknown_property_is_named_by_its_variable() {
        let wrong = settings(&["--kafka-url", "a:1", "--kafka-property", "linger.us=1"]);
        assert!(wrong.client().err().unwrap().starts_with("KAFKA_PROPERTY_LINGER_US: "));
    }

    #[test]
    fn properties_that_do_not_go_together_are_refused() {
        let wrong = ["--kafka-property", "queue.buffering.backpressure.threshold=2"];
        let wrong = settings(&[["--kafka-url", "a:1"], wrong].concat());
        let refused = wrong.producer(1, 1).err().unwrap();
        assert!(refused.contains("queue.buffering.backpressure.threshold"), "{refused}");
    }

    #[test]
    fn without_a_broker_there_is_no_client() {
        assert!(settings(&[]).client().err().unwrap().starts_with("KAFKA_URL: "));
        assert!(settings(&["--kafka-url", "a:1,kafka+ssl://b:2"]).client().is_err());
    }

    #[test]
    fn producers_share_one_budget() {
        let four = settings(&["--kafka-url", "a:1"]).producer(4, 1_000_000).unwrap();
        assert_eq!(four.get("queue.buffering.max.kbytes"), Some("8192"));
        assert_eq!(four.get("message.timeout.ms"), Some("0"));
        assert_eq!(four.get("compression.type"), Some("none"));
        let linger =
            settings(&["--kafka-url", "a:1", "--kafka-property", "linger.ms=1"]).producer(1, 1).unwrap();
        assert_eq!(linger.get("linger.ms"), Some("1"));
    }
}
