//! A producer that a lane owns. Its calls never block a thread of the runtime.

use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use rdkafka::ClientConfig;
use rdkafka::config::FromClientConfigAndContext as _;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::producer::{Producer, ThreadedProducer};
use tokio::time::Instant;

use super::partitions::Partitions;
use super::produce::{Chunk, TopicHandle};
use super::reports::{Reports, opaque};
use super::troubles::Troubles;

/// How soon to try again when librdkafka's queue is full, or all partitions of a topic have something under way.
const PAUSE: Duration = Duration::from_millis(2);
/// How long a chunk waits for a partition that has nothing under way: its record batches may never be answered.
const PATIENCE: Duration = Duration::from_secs(1);
/// Messages that go to one partition together, with what Kafka's format adds to each: they fit into one record batch, which
/// brokers take up to 1,048,588 bytes.
const CHUNK_BYTES: usize = 980_000;

pub(super) type Client = ThreadedProducer<Reports, Partitions>;

/// A message on its way.
#[derive(Debug, Clone)]
pub struct Outgoing<'a> {
    pub topic: &'a str,
    /// Where it stands in the buffer.
    pub message: Range<usize>,
    /// What a failure names it by.
    pub line: usize,
}

/// A topic that something was sent to.
struct Known {
    name: String,
    handle: TopicHandle,
}

/// A running producer.
pub struct Publisher {
    client: Arc<Client>,
    topics: Vec<Known>,
    /// Chunks that were under way when the last one was handed over.
    under_way: Vec<Placed>,
}

/// Where a chunk has gone.
struct Placed {
    number: usize,
    topic: usize,
    partition: i32,
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
        let mut config = config.clone();
        // Otherwise librdkafka asks its own partitioner about messages without a key.
        config.set("sticky.partitioning.linger.ms", "0");
        let reports = Reports::new(batches, Arc::clone(troubles));
        let client = blocking(move || Client::from_config_and_context(&config, reports)).await?;
        Ok(Self { client: Arc::new(client), topics: Vec::new(), under_way: Vec::new() })
    }

    pub fn reports(&self) -> &Reports {
        self.client.client().context()
    }

    /// The client, for metadata.
    pub(super) fn client(&self) -> &Arc<Client> {
        &self.client
    }

    /// Hands messages that stand in `buffer` to librdkafka, and waits where its queue is full until `gives_up` says so;
    /// what was not handed over by then fails. Each message gives one report at `tally`.
    pub async fn send<'a>(
        &mut self,
        tally: usize,
        buffer: &Arc<Vec<u8>>,
        messages: impl ExactSizeIterator<Item = Outgoing<'a>>,
        gives_up: impl Fn() -> bool,
    ) {
        self.reports().begin(tally, buffer);
        // By topic, the one that is being filled.
        let mut chunks: Vec<(usize, Chunk)> = Vec::new();
        for Outgoing { topic, message, line } in messages {
            let message = &buffer[message];
            let Some(place) = self.place(&mut chunks, topic) else {
                self.reports().fail(tally, line, RDKafkaErrorCode::InvalidTopic);
                continue;
            };
            let (topic, chunk) = &mut chunks[place];
            if chunk.bytes() + message.len() > CHUNK_BYTES && !chunk.is_empty() {
                self.hand_over(tally, *topic, std::mem::take(chunk), &gives_up).await;
            }
            chunk.push(message, line);
        }
        for (topic, chunk) in chunks {
            self.hand_over(tally, topic, chunk, &gives_up).await;
        }
        self.reports().end(tally);
    }

    /// Where the chunk of a topic is; batches name few topics.
    fn place(&mut self, chunks: &mut Vec<(usize, Chunk)>, name: &str) -> Option<usize> {
        let known = chunks.iter().position(|(topic, _)| self.topics[*topic].name == name);
        known.or_else(|| {
            chunks.push((self.topic(name)?, Chunk::default()));
            Some(chunks.len() - 1)
        })
    }

    #[expect(unsafe_code, reason = "what librdkafka reads is kept for it; see below")]
    async fn hand_over(&mut self, tally: usize, topic: usize, mut chunk: Chunk, gives_up: impl Fn() -> bool) {
        let number = self.turn(tally, topic, chunk.len(), &gives_up).await;
        let Known { name, handle } = &self.topics[topic];
        let reports = self.client.client().context();
        let Some(number) = number else {
            return chunk.give_up(|line| reports.fail(tally, line, RDKafkaErrorCode::PurgeQueue));
        };
        chunk.rename(|line| opaque(tally, number, line));
        let refused = |opaque, code| reports.report(opaque, Some(code));
        // The first message finds the partition, the others follow it.
        let (mut partition, mut most) = (None, 1);
        while !chunk.is_empty() {
            let left = chunk.len();
            // SAFETY: the messages stand in the buffer that was given to `Reports::begin`. It is kept there until all
            // reports have come; the client's context, of which it is part, is dropped only when the client has ended.
            unsafe { chunk.produce(handle, partition, most, refused) };
            if chunk.len() == left {
                if gives_up() {
                    return chunk.give_up(|opaque| refused(opaque, RDKafkaErrorCode::PurgeQueue));
                }
                tokio::time::sleep(PAUSE).await;
            } else if partition.is_none() {
                most = usize::MAX;
                partition = reports.partitions().last(name);
                self.under_way.extend(partition.map(|partition| Placed { number, topic, partition }));
            }
        }
    }

    /// Waits until a partition of the topic has nothing under way, or for too long, and gives the number of the chunk;
    /// nothing when it gives up.
    async fn turn(
        &mut self,
        tally: usize,
        topic: usize,
        messages: usize,
        gives_up: impl Fn() -> bool,
    ) -> Option<usize> {
        let reports = self.client.client().context();
        let until = Instant::now() + PATIENCE;
        loop {
            self.under_way.retain(|placed| !reports.is_finished(placed.number));
            let busy = self.under_way.iter().filter(|placed| placed.topic == topic);
            let busy = busy.map(|placed| placed.partition).collect();
            let has_idle = reports.partitions().avoid(&self.topics[topic].name, busy);
            if (has_idle || Instant::now() >= until)
                && let Some(number) = reports.expect(tally, messages)
            {
                return Some(number);
            }
            if gives_up() {
                return None;
            }
            tokio::select! {
                () = reports.finished() => {}
                () = tokio::time::sleep(PAUSE) => {}
            }
        }
    }

    /// The place of a topic among those that are known.
    fn topic(&mut self, name: &str) -> Option<usize> {
        if let Some(at) = self.topics.iter().position(|known| known.name == name) {
            return Some(at);
        }
        let handle = TopicHandle::new(&self.client, name)?;
        self.topics.push(Known { name: name.to_owned(), handle });
        Some(self.topics.len() - 1)
    }

    /// Drops what was not delivered, and ends the producer: after this nothing of it reaches Kafka.
    pub async fn stop(self) {
        blocking(move || drop(self)).await;
    }
}

/// Runs a call of librdkafka that may block.
pub(super) async fn blocking<T: Send + 'static>(call: impl FnOnce() -> T + Send + 'static) -> T {
    tokio::task::spawn_blocking(call).await.expect("librdkafka's calls do not panic")
}
