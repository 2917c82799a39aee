//! What Kafka clients meet with: counted, and told in plain words, with the setting to look at.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use tracing::{debug, warn};

use crate::logging::TELL_AGAIN;

/// So many troubles of one broker are told at a time: some texts are never twice the same.
const TOLD_AT_A_TIME: usize = 3;

/// What librdkafka says, in part, and what that means.
const MEANINGS: [(&[&str], &str); 4] = [
    (
        &["certificate verify failed"],
        "its certificate cannot be verified: KAFKA_TRUSTED_CERT must hold the authority that signed it; or it has run \
         out, or is for another host",
    ),
    (
        &["alert bad certificate", "alert certificate", "alert unknown ca", "certificate required"],
        "it does not take our certificate: KAFKA_CLIENT_CERT is missing, has run out, or is of an authority that it does \
         not trust",
    ),
    (
        &["PLAINTEXT broker listener"],
        "it ends the connection before TLS is spoken: it is going down, or has no TLS there (kafka:// in KAFKA_URL)",
    ),
    (&["idempotence PID"], "this user may write to no topic: grant it Write on those that lines name"),
];

/// What the clients of a worker, or one for people, met with.
#[derive(Debug, Default)]
pub struct Troubles {
    errors: AtomicU64,
    retries: AtomicU64,
    is_silent: AtomicBool,
    /// By broker; what is about none has an empty name.
    heard: Mutex<BTreeMap<String, Heard>>,
}

#[derive(Debug)]
struct Heard {
    words: String,
    at: Instant,
    told: Vec<(String, Instant)>,
}

impl Troubles {
    /// Tells nothing by itself, until it is told to.
    pub fn silent() -> Self {
        Self { is_silent: AtomicBool::new(true), ..Self::default() }
    }

    pub(super) fn tell_from_now_on(&self) {
        self.is_silent.store(false, Ordering::Relaxed);
    }

    /// Errors heard, and requests repeated, since the last time.
    pub fn take(&self) -> (u64, u64) {
        (self.errors.swap(0, Ordering::Relaxed), self.retries.swap(0, Ordering::Relaxed))
    }

    /// Counts requests that were repeated.
    pub(super) fn add_retries(&self, retries: u64) {
        self.retries.fetch_add(retries, Ordering::Relaxed);
    }

    /// Hears what a client says, and tells it unless that was told lately.
    pub(super) fn hear(&self, error: &KafkaError, text: &str) {
        self.errors.fetch_add(1, Ordering::Relaxed);
        if error.rdkafka_error_code() == Some(RDKafkaErrorCode::AllBrokersDown) {
            // Why they are down was said of each.
            return;
        }
        debug!(text, "librdkafka");
        let (broker, words) = plain(text);
        let now = Instant::now();
        let mut heard = self.heard();
        heard.retain(|_, heard| now - heard.at < TELL_AGAIN);
        let mut told = heard.remove(broker).map(|former| former.told).unwrap_or_default();
        told.retain(|(_, at)| now - *at < TELL_AGAIN);
        let is_new = told.len() < TOLD_AT_A_TIME && !told.iter().any(|(told, _)| *told == words);
        if is_new && !self.is_silent.load(Ordering::Relaxed) {
            told.push((words.clone(), now));
            let broker = (!broker.is_empty()).then_some(broker);
            warn!(broker, trouble = words, "kafka is in trouble, trying again");
        }
        heard.insert(broker.to_owned(), Heard { words, at: now, told });
    }

    /// Why nobody answered: what was heard lately of each broker. Nothing where it is not for that that a call has failed.
    pub fn why(&self, code: Option<RDKafkaErrorCode>) -> Option<String> {
        use RDKafkaErrorCode as Code;
        let silence = [
            Code::OperationTimedOut,
            Code::BrokerTransportFailure,
            Code::AllBrokersDown,
            Code::SSL,
            Code::Resolve,
        ];
        code.filter(|code| silence.contains(code))?;
        let heard = self.heard();
        let lately = heard.iter().filter(|(_, heard)| heard.at.elapsed() < TELL_AGAIN);
        let each: Vec<String> = lately
            .map(|(broker, Heard { words, .. })| match broker.as_str() {
                "" => words.clone(),
                broker => format!("{broker}: {words}"),
            })
            .collect();
        Some(if each.is_empty() {
            "no answer comes: a firewall drops it, or TLS is spoken there (kafka+ssl:// in KAFKA_URL)"
                .to_owned()
        } else {
            each.join("; ")
        })
    }

    fn heard(&self) -> MutexGuard<'_, BTreeMap<String, Heard>> {
        self.heard.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The broker that librdkafka's text is about, if any, and what the rest of it means.
fn plain(text: &str) -> (&str, String) {
    // `ssl://host:port/bootstrap: what happened (after 5ms in state CONNECT)`
    let text = ["GroupCoordinator: ", "TxnCoordinator: "]
        .iter()
        .find_map(|role| text.strip_prefix(role))
        .unwrap_or(text);
    let (broker, text) = text
        .split_once(": ")
        .filter(|(head, _)| head.contains(':') && !head.contains(' '))
        .unwrap_or(("", text));
    let broker = broker.split_once("://").map_or(broker, |(_, broker)| broker);
    let broker = broker.split_once('/').map_or(broker, |(broker, _)| broker);
    let text = text.rfind(" (after ").map_or(text, |end| &text[..end]);
    let means = |(said, _): &&(&[&str], &str)| said.iter().any(|said| text.contains(said));
    let words = match MEANINGS.iter().find(means) {
        Some((_, meaning)) => meaning,
        None if text.starts_with("Connect to ") => text.split_once(" failed: ").map_or(text, |(_, why)| why),
        None => text,
    };
    (broker, words.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_librdkafka_says_is_told_in_plain_words() {
        for (said, broker, meaning) in [
            (
                "a:1/bootstrap: Connect to ipv4#1.2.3.4:1 failed: Connection refused (after 0ms in state CONNECT)",
                "a:1",
                "Connection refused",
            ),
            (
                "ssl://a:1/bootstrap: SSL handshake failed: error:0A000086:SSL routines::certificate verify failed: broker \
                 certificate could not be verified (after 5ms in state SSL_HANDSHAKE)",
                "a:1",
                "its certificate cannot be verified: KAFKA_TRUSTED_CERT",
            ),
            (
                "ssl://a:1/7: Receive failed: error:0A000412:SSL routines::sslv3 alert bad certificate: SSL alert number 42",
                "a:1",
                "it does not take our certificate: KAFKA_CLIENT_CERT",
            ),
            (
                "GroupCoordinator: [::1]:9092: Connect to ipv6#[::1]:9092 failed: Connection refused",
                "[::1]:9092",
                "Connection refused",
            ),
            (
                "Failed to acquire idempotence PID from broker ssl://a:1/1: Broker: Cluster authorization failed",
                "",
                "this user may write to no topic",
            ),
            ("something else", "", "something else"),
        ] {
            let (found, words) = plain(said);
            assert!(found == broker && words.starts_with(meaning), "{said}: {found}: {words}");
        }
    }

    #[test]
    fn why_nobody_answers_is_said_of_each_broker() {
        let troubles = Troubles::default();
        let timed_out = Some(RDKafkaErrorCode::OperationTimedOut);
        assert!(troubles.why(timed_out).unwrap().contains("kafka+ssl://"));
        assert_eq!(troubles.why(Some(RDKafkaErrorCode::Fenced)), None);
        let error = KafkaError::Global(RDKafkaErrorCode::BrokerTransportFailure);
        for broker in ["a:1", "b:2", "a:1"] {
            troubles
                .hear(&error, &format!("{broker}/bootstrap: Connect to {broker} failed: Connection refused"));
        }
        troubles.hear(&KafkaError::Global(RDKafkaErrorCode::AllBrokersDown), "2/2 brokers are down");
        assert_eq!(troubles.why(timed_out).unwrap(), "a:1: Connection refused; b:2: Connection refused");
        assert_eq!(troubles.take(), (4, 0));
    }
}
