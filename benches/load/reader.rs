//! A consumer that wants each message at once: tells how long ago its line was pushed.

use std::time::{Duration, Instant};

use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::message::Message;
use rdkafka::{Offset, TopicPartitionList};

use crate::harness::{Kafka, client_config};
use crate::sender::{STAMP_DIGITS, micros};
use crate::servers::{PARTITIONS, TOPICS};

/// Reads all partitions.
pub struct Reader {
    consumer: BaseConsumer,
}

impl Reader {
    /// A reader of what comes from now on.
    pub fn new(kafka: &Kafka) -> Reader {
        let mut config = client_config(&kafka.bootstrap());
        config
            .set("group.id", "reader") // librdkafka wants one; nothing is ever stored in it
            .set("enable.auto.commit", "false")
            .set("isolation.level", "read_committed")
            .set("fetch.wait.max.ms", "10");
        let consumer: BaseConsumer = config.create().expect("the settings are valid");
        let mut partitions = TopicPartitionList::new();
        for topic in TOPICS {
            for partition in 0..PARTITIONS {
                let added = partitions.add_partition_offset(topic, partition, Offset::End);
                added.expect("the end is an offset");
            }
        }
        consumer.assign(&partitions).expect("the partitions are there");
        Reader { consumer }
    }

    /// Returns the microseconds from push to here of all messages that come in this time.
    pub fn read(&self, time: Duration) -> Vec<u32> {
        let until = Instant::now() + time;
        let mut latencies = Vec::new();
        while Instant::now() < until {
            let Some(Ok(message)) = self.consumer.poll(Duration::from_millis(20)) else { continue };
            let latency = micros().saturating_sub(pushed_at(message.payload().unwrap_or_default()));
            latencies.push(u32::try_from(latency).unwrap_or(u32::MAX));
        }
        latencies
    }
}

/// The stamp is the end of the message, since the parameters go through as they came.
fn pushed_at(message: &[u8]) -> u64 {
    let stamp = &message[message.len().saturating_sub(STAMP_DIGITS)..];
    let digits = std::str::from_utf8(stamp).expect("the message of one of our lines");
    digits.parse().expect("the message of one of our lines")
}
