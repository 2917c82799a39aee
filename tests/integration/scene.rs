//! What most tests need: a queue and topics of their own, numbered lines, and a count of what arrived.

use std::collections::HashMap;
use std::time::Duration;

use redis::{Commands, Connection};
use serde_json::Value;

use crate::harness::{self, Kafka, Program, Redis, end_offsets, read_each, wait_until, wait_until_committed};

pub const MINUTE: Duration = Duration::from_secs(60);
/// How long a slot of a killed worker may take to be taken over: a lease, and a lease seen absent, and a look.
pub const TAKEN_OVER: Duration = Duration::from_secs(40);

/// A queue and topics that no other test uses.
pub struct Scene {
    redis_url: String,
    kafka_url: String,
    pub queue: String,
    pub topics: Vec<String>,
    pub connection: Connection,
}

impl Scene {
    /// On the servers that all tests share, with this many topics of two partitions.
    pub fn new(topics: usize) -> Self {
        Self::on(harness::redis(), harness::kafka(), topics)
    }

    pub fn on(redis: &Redis, kafka: &Kafka, topics: usize) -> Self {
        let queue = harness::unique("queue");
        let topics: Vec<String> = (0..topics).map(|_| harness::unique("topic")).collect();
        for topic in &topics {
            kafka.create_topic(topic, 2, &[]);
        }
        let redis_url = redis.fresh_database();
        let connection = harness::connect(&redis_url);
        Self { redis_url, kafka_url: kafka.bootstrap(), queue, topics, connection }
    }

    /// The variables that point the program at this scene.
    pub fn variables<'a>(&'a self, more: &[(&'a str, &'a str)]) -> Vec<(&'a str, &'a str)> {
        let mut variables =
            vec![("REDIS_URL", &*self.redis_url), ("KAFKA_URL", &*self.kafka_url), ("QUEUE", &*self.queue)];
        variables.extend(more);
        variables
    }

    pub fn redis_url(&self) -> &str {
        &self.redis_url
    }

    /// After Redis has restarted.
    pub fn reconnect(&mut self) {
        self.connection = harness::connect(&self.redis_url);
    }

    pub fn worker(&self, more: &[(&str, &str)]) -> Program {
        Program::start(&["worker"], &self.variables(more))
    }

    pub fn key(&self, suffix: &str) -> String {
        format!("{}:{suffix}", self.queue)
    }

    /// Pushes lines as trackers do, many at a time.
    pub fn push(&mut self, lines: &[Vec<u8>]) {
        for some in lines.chunks(10_000) {
            let _: u64 = self.connection.rpush(&self.queue, some).unwrap();
        }
    }

    /// Numbered lines, spread over the topics.
    pub fn lines(&self, numbers: std::ops::Range<u64>) -> Vec<Vec<u8>> {
        numbers.map(|number| line(number, &self.topics[number as usize % self.topics.len()])).collect()
    }

    pub fn delivered(&self) -> u64 {
        let topics: Vec<&str> = self.topics.iter().map(String::as_str).collect();
        end_offsets(&self.kafka_url, &topics)
    }

    pub fn depth(&mut self) -> u64 {
        harness::waiting(&mut self.connection, &self.queue).unwrap()
    }

    /// Batches that were reserved and are not acknowledged yet.
    pub fn batches(&mut self) -> u64 {
        self.connection.hlen(self.key("batches")).unwrap()
    }

    /// Waits until the queue is empty and nothing is in flight.
    #[track_caller]
    pub fn wait_until_drained(&mut self, timeout: Duration) {
        wait_until(timeout, "the queue is empty and nothing in flight", || {
            self.depth() == 0 && self.batches() == 0
        });
    }

    /// What the invalid list holds.
    pub fn invalid(&mut self) -> Vec<Value> {
        let records: Vec<String> = self.connection.lrange("click_invalid", 0, -1).unwrap();
        records.iter().map(|record| serde_json::from_str(record).unwrap()).collect()
    }

    /// All that arrived, by number.
    pub fn arrived(&self) -> Arrived {
        let topics: Vec<&str> = self.topics.iter().map(String::as_str).collect();
        // Kafka says that it has committed before it has said so to every partition.
        let settled = wait_until_committed(&self.kafka_url, &topics, 2 * MINUTE);
        assert!(settled.is_some(), "a transaction was left open");
        let mut arrived = Arrived::default();
        read_each(&self.kafka_url, &topics, |message| {
            arrived.add(message.payload);
        });
        arrived
    }

    /// The lines' numbers, for each partition in its order.
    pub fn by_partition(&self) -> HashMap<(String, i32), Vec<u64>> {
        let topics: Vec<&str> = self.topics.iter().map(String::as_str).collect();
        let mut partitions: HashMap<_, Vec<u64>> = HashMap::new();
        read_each(&self.kafka_url, &topics, |message| {
            let place = (message.topic.to_string(), message.partition);
            partitions.entry(place).or_default().push(number(&message.payload));
        });
        partitions
    }
}

/// One line that a consumer can tell from all others.
pub fn line(number: u64, topic: &str) -> Vec<u8> {
    let agent = "Mozilla/5.0 (iPhone; CPU iPhone OS 9_3 like Mac OS X) AppleWebKit/601.1.46 Mobile/13E230";
    format!("188.103.17.61 1465287056 {topic} /t/ist n={number}&adid=ECC27E57-1605-2714 {agent}").into_bytes()
}

/// Which lines arrived, and in which bytes.
#[derive(Default)]
pub struct Arrived {
    messages: HashMap<u64, (Vec<u8>, u64)>,
    /// Copies with other bytes than the first.
    pub unequal: u64,
}

impl Arrived {
    fn add(&mut self, message: Vec<u8>) {
        let number = number(&message);
        match self.messages.get_mut(&number) {
            None => {
                self.messages.insert(number, (message, 1));
            }
            Some((first, copies)) => {
                *copies += 1;
                self.unequal += u64::from(*first != message);
            }
        }
    }

    /// Different lines.
    pub fn len(&self) -> u64 {
        self.messages.len() as u64
    }

    /// Copies beyond the first of each.
    pub fn duplicates(&self) -> u64 {
        self.messages.values().map(|(_, copies)| copies - 1).sum()
    }

    #[track_caller]
    pub fn assert_all_of(&self, numbers: std::ops::Range<u64>) {
        let lost: Vec<u64> = numbers.clone().filter(|number| !self.messages.contains_key(number)).collect();
        assert!(lost.is_empty(), "{} lost, such as {:?}", lost.len(), &lost[..lost.len().min(5)]);
        let strange = self.messages.keys().filter(|number| !numbers.contains(number)).count();
        assert_eq!(strange, 0, "out of nowhere");
        assert_eq!(self.unequal, 0, "copies with other bytes");
    }

    #[track_caller]
    pub fn assert_each_once(&self, numbers: std::ops::Range<u64>) {
        self.assert_all_of(numbers);
        assert_eq!(self.duplicates(), 0, "duplicates");
    }
}

fn number(message: &[u8]) -> u64 {
    let text = std::str::from_utf8(message).unwrap();
    let params = text.rsplit(' ').next().unwrap();
    params.strip_prefix("n=").unwrap().split('&').next().unwrap().parse().unwrap()
}
