//! Reads topics back, without a group and without leaving a trace.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, OnceLock};
use std::thread;
use std::time::{Duration, Instant};

use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::KafkaError;
use rdkafka::{Message, Offset, TopicPartitionList};

use super::kafka::client_config;
use super::lock;

const TIMEOUT: Duration = Duration::from_secs(60);

/// One message as the broker has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Received {
    pub topic: Arc<str>,
    pub partition: i32,
    pub offset: i64,
    pub payload: Vec<u8>,
}

/// Returns all messages from the beginning to the present end, as a consumer with `read_committed` sees them.
#[track_caller]
pub fn read_all(bootstrap: &str, topics: &[&str]) -> Vec<Received> {
    let mut all = Vec::new();
    read_each(bootstrap, topics, |message| all.push(message));
    all
}

/// Hands each message from the beginning to the present end to `take`, in order within a partition.
#[track_caller]
pub fn read_each(bootstrap: &str, topics: &[&str], mut take: impl FnMut(Received)) {
    let consumer = consumer(bootstrap);
    for topic in topics {
        read_topic(&consumer, topic, &mut take);
    }
}

/// Returns how many offsets the topics hold in sum, quickly enough to ask every few milliseconds.
///
/// That is the number of messages where nothing was deleted and no transactions were used: their markers count too.
#[track_caller]
pub fn end_offsets(bootstrap: &str, topics: &[&str]) -> u64 {
    let consumer = shared_consumer(bootstrap);
    let mut sum = 0;
    for topic in topics {
        for partition in partitions_of(&consumer, topic) {
            let (_, end) =
                insist(topic, || consumer.fetch_watermarks(topic, partition, Duration::from_secs(5)));
            sum += u64::try_from(end).expect("the end of a partition that was found is not negative");
        }
    }
    sum
}

/// Waits until no transaction is open, so that a consumer with `read_committed` gets to see everything; returns how long
/// that took, or nothing after `timeout`.
#[track_caller]
pub fn wait_until_committed(bootstrap: &str, topics: &[&str], timeout: Duration) -> Option<Duration> {
    let committed = consumer(bootstrap);
    let uncommitted: BaseConsumer = client_config(bootstrap)
        .set("isolation.level", "read_uncommitted")
        .create()
        .expect("the settings are valid");
    let since = Instant::now();
    loop {
        let is_open = topics.iter().any(|topic| {
            partitions_of(&committed, topic).into_iter().any(|partition| {
                let end = |consumer: &BaseConsumer| {
                    insist(topic, || consumer.fetch_watermarks(topic, partition, Duration::from_secs(5))).1
                };
                end(&committed) < end(&uncommitted)
            })
        });
        if !is_open {
            return Some(since.elapsed());
        }
        if since.elapsed() >= timeout {
            return None;
        }
        thread::sleep(Duration::from_millis(200));
    }
}

fn read_topic(consumer: &BaseConsumer, topic: &str, take: &mut impl FnMut(Received)) {
    let name: Arc<str> = Arc::from(topic);
    let mut unfinished: HashSet<i32> = partitions_of(consumer, topic).into_iter().collect();
    let mut assignment = TopicPartitionList::new();
    for partition in &unfinished {
        let added = assignment.add_partition_offset(topic, *partition, Offset::Beginning);
        added.expect("the beginning is a valid offset");
    }
    consumer.assign(&assignment).expect("the partitions were just listed");

    // Counting does not find the end where there are transactions: their markers take up offsets too.
    let mut last_heard = Instant::now();
    while !unfinished.is_empty() {
        match consumer.poll(Duration::from_millis(100)) {
            Some(Ok(message)) => take(Received {
                topic: Arc::clone(&name),
                partition: message.partition(),
                offset: message.offset(),
                payload: message.payload().unwrap_or_default().to_vec(),
            }),
            // This error does not say of which topic, which is why topics are read one by one.
            Some(Err(KafkaError::PartitionEOF(partition))) => {
                unfinished.remove(&partition);
            }
            Some(Err(_)) | None => {
                assert!(
                    last_heard.elapsed() < TIMEOUT,
                    "reading {topic}: no end of partitions {unfinished:?}"
                );
                continue;
            }
        }
        last_heard = Instant::now();
    }
}

#[track_caller]
fn partitions_of(consumer: &BaseConsumer, topic: &str) -> Vec<i32> {
    let metadata = insist(topic, || consumer.fetch_metadata(Some(topic), Duration::from_secs(5)));
    let found = metadata.topics().iter().find(|found| found.name() == topic);
    let found = found.unwrap_or_else(|| panic!("kafka says nothing about topic {topic}"));
    assert!(found.error().is_none(), "topic {topic}: {:?}", found.error());
    found.partitions().iter().map(|partition| partition.id()).collect()
}

/// Asks until there is an answer: a broker that was just started again refuses some first requests.
#[track_caller]
fn insist<T>(topic: &str, mut ask: impl FnMut() -> Result<T, KafkaError>) -> T {
    let deadline = Instant::now() + TIMEOUT;
    loop {
        match ask() {
            Ok(answer) => return answer,
            Err(error) => assert!(Instant::now() < deadline, "topic {topic}: {error}"),
        }
        thread::sleep(Duration::from_millis(50));
    }
}

/// Returns a consumer kept for this broker, so that a question costs no new connection.
fn shared_consumer(bootstrap: &str) -> Arc<BaseConsumer> {
    static CONSUMERS: OnceLock<Mutex<HashMap<String, Arc<BaseConsumer>>>> = OnceLock::new();
    let mut consumers = lock(CONSUMERS.get_or_init(Mutex::default));
    let kept = consumers.entry(bootstrap.to_owned()).or_insert_with(|| Arc::new(consumer(bootstrap)));
    Arc::clone(kept)
}

fn consumer(bootstrap: &str) -> BaseConsumer {
    client_config(bootstrap)
        .set("group.id", "kafkastore-tests") // librdkafka wants one; nothing is ever stored in it
        .set("enable.auto.commit", "false")
        .set("enable.auto.offset.store", "false")
        .set("enable.partition.eof", "true")
        // The default, and what is promised to those who have it: nothing of an aborted transaction is seen.
        .set("isolation.level", "read_committed")
        .set("fetch.wait.max.ms", "20")
        .set("fetch.message.max.bytes", "8388608")
        .set("queued.min.messages", "1000000")
        .create()
        .expect("the settings are valid")
}
