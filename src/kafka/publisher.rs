//! A producer that a lane owns. Its calls never block a thread of the runtime.

use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use rdkafka::ClientConfig;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::producer::{BaseRecord, Producer, ThreadedProducer};

use super::reports::{Reports, Troubles, code, opaque};

/// How soon to try again when librdkafka's queue is full.
const QUEUE_FULL_PAUSE: Duration = Duration::from_millis(2);

type Client = ThreadedProducer<Reports>;

/// A message on its way, borrowed: librdkafka copies it.
#[derive(Debug, Clone, Copy)]
pub struct Outgoing<'a> {
    pub topic: &'a str,
    pub message: &'a [u8],
    /// What a failure names it by.
    pub line: usize,
}

/// A running producer.
pub struct Publisher {
    client: Arc<Client>,
}

impl Publisher {
    /// Starts a producer that counts up to `batches` batches at a time, and its own troubles among `troubles`.
    ///
    /// # Errors
    /// When librdkafka does not take the configuration.
    pub async fn start(
        config: &ClientConfig,
        batches: usize,
        troubles: &Arc<Troubles>,
    ) -> Result<Self, KafkaError> {
        let config = config.clone();
        let reports = Reports::new(batches, Arc::clone(troubles));
        let client = blocking(move || config.create_with_context(reports)).await?;
        Ok(Self { client: Arc::new(client) })
    }

    pub fn reports(&self) -> &Reports {
        self.client.client().context()
    }

    /// The client, for metadata.
    pub(super) fn client(&self) -> &Arc<Client> {
        &self.client
    }

    /// Hands messages to librdkafka, and waits where its queue is full until `gives_up` says so; what was not handed
    /// over by then fails. Each message gives one report at `tally`.
    pub async fn send<'a>(
        &self,
        tally: usize,
        messages: impl ExactSizeIterator<Item = Outgoing<'a>>,
        gives_up: impl Fn() -> bool,
    ) {
        self.reports().expect(tally, messages.len());
        // One look at the clock for all: librdkafka would take one for each.
        let now = epoch_millis();
        for outgoing in messages {
            let opaque = opaque(tally, outgoing.line);
            if let Err(code) = self.send_one(opaque, now, outgoing, &gives_up).await {
                self.reports().report(opaque, Some(code));
            }
        }
    }

    async fn send_one(
        &self,
        opaque: usize,
        now: i64,
        outgoing: Outgoing<'_>,
        gives_up: impl Fn() -> bool,
    ) -> Result<(), RDKafkaErrorCode> {
        loop {
            let record: BaseRecord<'_, (), [u8], usize> =
                BaseRecord::with_opaque_to(outgoing.topic, opaque).payload(outgoing.message).timestamp(now);
            match self.client.send(record).map_err(|(error, _)| code(&error)) {
                Err(RDKafkaErrorCode::QueueFull) if gives_up() => return Err(RDKafkaErrorCode::PurgeQueue),
                Err(RDKafkaErrorCode::QueueFull) => tokio::time::sleep(QUEUE_FULL_PAUSE).await,
                outcome => return outcome,
            }
        }
    }

    /// Drops what was not delivered, and ends the producer: after this nothing of it reaches Kafka.
    pub async fn stop(self) {
        blocking(move || drop(self.client)).await;
    }
}

/// The time that Kafka keeps beside a message; nothing in the message itself hangs on it.
fn epoch_millis() -> i64 {
    let since_1970 = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since_1970.as_millis()).unwrap_or(i64::MAX)
}

/// Runs a call of librdkafka that may block.
pub(super) async fn blocking<T: Send + 'static>(call: impl FnOnce() -> T + Send + 'static) -> T {
    tokio::task::spawn_blocking(call).await.expect("librdkafka's calls do not panic")
}
