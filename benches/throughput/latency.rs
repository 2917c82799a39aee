//! From an idle queue: how long from a push until the message can be read in Kafka.

use std::time::{Duration, Instant};

use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::{Offset, TopicPartitionList};
use redis::Commands;

use crate::harness::{Kafka, Launch, Redis, client_config};

const PUSHES: usize = 500;
const GAP: Duration = Duration::from_millis(30);

pub fn measure(redis: &Redis, kafka: &Kafka, delivery: &str, compression: &str) {
    let worker = Launch::new(&["worker"])
        .variables(&[
            ("REDIS_URL", &redis.url()),
            ("KAFKA_URL", &kafka.bootstrap()),
            ("DELIVERY", delivery),
            ("KAFKA_COMPRESSION", compression),
        ])
        .start();
    worker.wait_for_line("worker started", Duration::from_secs(10));
    let consumer = reader(kafka);
    let mut connection = redis.connection();
    let mut push_and_wait = |number: usize| {
        let pushed_at = Instant::now();
        let line = format!("8.8.8.8 1465287056 clicks /t/click n={number} curl/7.43.0");
        let _: u64 = connection.rpush("click_queue", line).expect("redis answers");
        while consumer.poll(Duration::from_millis(500)).is_none() {
            // While the consumer finds its place the first message may be before it.
            if pushed_at.elapsed() > Duration::from_secs(3) {
                return None;
            }
        }
        Some(pushed_at.elapsed())
    };
    for number in 0..20 {
        push_and_wait(number);
    }
    let mut latencies: Vec<Duration> = (0..PUSHES)
        .filter_map(|number| {
            std::thread::sleep(GAP);
            push_and_wait(number)
        })
        .collect();
    latencies.sort();
    let at = |share: f64| latencies[(latencies.len() as f64 * share) as usize].as_secs_f64() * 1000.0;
    println!(
        "{} of {PUSHES} pushes: median {:.1} ms, 99th percentile {:.1} ms, longest {:.1} ms",
        latencies.len(),
        at(0.5),
        at(0.99),
        latencies.last().map_or(0.0, Duration::as_secs_f64) * 1000.0
    );
}

/// A consumer of what comes from now on, as those who want each event once set it.
pub fn reader(kafka: &Kafka) -> BaseConsumer {
    let mut config = client_config(&kafka.bootstrap());
    config.set("group.id", "reader").set("isolation.level", "read_committed").set("fetch.wait.max.ms", "10");
    let consumer: BaseConsumer = config.create().expect("a consumer");
    let mut partitions = TopicPartitionList::new();
    for partition in 0..4 {
        partitions.add_partition_offset("clicks", partition, Offset::End).expect("the end is an offset");
    }
    consumer.assign(&partitions).expect("the partitions are there");
    consumer
}
