//! The servers that lines come from and go to.

use std::sync::Arc;
use std::time::Duration;

use redis::{Commands, Connection};

use crate::harness::{Kafka, KafkaOptions, Redis, Usage, end_offsets, wait_until, waiting};

/// The topics of made-up lines.
pub const TOPICS: [&str; 2] = ["clicks", "inapp"];
pub const PARTITIONS: i32 = 4;
pub const QUEUE: &str = "click_queue";
/// What workers have reserved and not acknowledged.
const BATCHES: &str = "click_queue:batches";

const DELETED_TIMEOUT: Duration = Duration::from_secs(60);

/// A Redis or several, and a Kafka broker.
pub struct Servers {
    pub redis: Vec<Redis>,
    pub kafka: Arc<Kafka>,
    connections: Vec<Connection>,
}

/// CPU seconds since the servers were started.
#[derive(Clone, Copy)]
pub struct ServersCpu {
    pub redis: f64,
    pub kafka: f64,
}

impl Servers {
    /// One Redis and one broker.
    pub fn start() -> Servers {
        let kafka = Kafka::start(KafkaOptions { benchmark: true, ..KafkaOptions::default() });
        for topic in TOPICS {
            kafka.create_topic(topic, PARTITIONS, &[]);
        }
        Servers::with(Arc::new(kafka), 1)
    }

    /// So many Redis of their own, and a broker that others may use in turn.
    pub fn with(kafka: Arc<Kafka>, redis_servers: usize) -> Servers {
        let redis: Vec<Redis> = (0..redis_servers).map(|_| Redis::start(&[])).collect();
        let connections = redis.iter().map(Redis::connection).collect();
        Servers { redis, kafka, connections }
    }

    /// Returns all addresses by commas.
    pub fn redis_url(&self) -> String {
        let urls: Vec<String> = self.redis.iter().map(Redis::url).collect();
        urls.join(",")
    }

    /// Empties the topics, and returns when the broker has removed their files: a million lines are 365 MB, and what it
    /// does with old ones must not fall into a measurement.
    pub fn empty_topics(&self) {
        for topic in TOPICS {
            self.kafka.delete_topic(topic);
        }
        let logs = self.kafka.log_directory();
        wait_until(DELETED_TIMEOUT, "the files of the deleted topics are gone", || {
            let entries = std::fs::read_dir(&logs).expect("the broker's directory can be read");
            !entries.flatten().any(|entry| entry.file_name().to_string_lossy().ends_with("-delete"))
        });
        for topic in TOPICS {
            self.kafka.create_topic(topic, PARTITIONS, &[]);
        }
    }

    /// Each server's connection.
    pub fn connections(&mut self) -> &mut [Connection] {
        &mut self.connections
    }

    /// Lines that nobody has reserved.
    pub fn waiting(&mut self) -> u64 {
        self.connections.iter_mut().map(|redis| waiting(redis, QUEUE).expect("redis answers")).sum()
    }

    /// Whether workers have acknowledged all that they have reserved.
    pub fn is_acknowledged(&mut self) -> bool {
        self.connections.iter_mut().all(|redis| redis.hlen::<_, u64>(BATCHES).expect("redis answers") == 0)
    }

    /// Messages in the topics, and ends of transactions, since they were emptied.
    pub fn delivered(&self) -> u64 {
        end_offsets(&self.kafka.bootstrap(), &TOPICS)
    }

    pub fn cpu(&self) -> ServersCpu {
        let cpu = |pid: Option<i32>| Usage::of(pid.expect("it runs")).cpu.as_secs_f64();
        ServersCpu {
            redis: self.redis.iter().map(|redis| cpu(redis.process_id())).sum(),
            kafka: cpu(self.kafka.process_id()),
        }
    }
}
