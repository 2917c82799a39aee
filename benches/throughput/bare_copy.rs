//! The bare copy: pop a batch, produce it, nothing else. It loses what it has popped when it dies; it is the limit that
//! the worker is measured against, with as many producers and the same librdkafka settings.

use std::time::Duration;

use clap::Parser;
use kafkastore::kafka;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::producer::{BaseRecord, DefaultProducerContext, Producer, ThreadedProducer};
use redis::{Commands, Connection};

pub const ARGUMENT: &str = "bare-copy";
const PRODUCERS: usize = 2;
const BATCH: usize = 1000;

#[derive(Parser)]
struct Settings {
    #[arg(long, env = "REDIS_URL")]
    redis_url: String,
    #[command(flatten)]
    kafka: kafka::Settings,
}

/// Copies until it is ended.
pub fn run() {
    let settings = Settings::parse_from(["bare-copy"]);
    let config = settings.kafka.producer(PRODUCERS, 1_000_000).expect("the benchmark's settings are right");
    std::thread::scope(|threads| {
        for _ in 0..PRODUCERS {
            let config = &config;
            let client =
                redis::Client::open(settings.redis_url.as_str()).expect("the benchmark's address is right");
            threads.spawn(move || {
                let producer: ThreadedProducer<DefaultProducerContext> = config.create().expect("a producer");
                copy(&producer, client.get_connection().expect("redis answers"));
            });
        }
    });
}

fn copy(producer: &ThreadedProducer<DefaultProducerContext>, mut connection: Connection) {
    loop {
        let lines: Vec<Vec<u8>> =
            connection.lpop("click_queue", std::num::NonZeroUsize::new(BATCH)).expect("redis answers");
        if lines.is_empty() {
            producer.flush(Duration::from_secs(60)).expect("kafka answers");
            std::thread::sleep(Duration::from_millis(5));
        }
        for line in lines {
            let topic = line.split(|&byte| byte == b' ').nth(2).expect("a made-up line has a topic");
            let topic = std::str::from_utf8(topic).expect("a made-up topic");
            loop {
                let record: BaseRecord<'_, (), [u8]> = BaseRecord::to(topic).payload(&line);
                match producer.send(record) {
                    Ok(()) => break,
                    Err((KafkaError::MessageProduction(RDKafkaErrorCode::QueueFull), _)) => {
                        std::thread::sleep(Duration::from_millis(1));
                    }
                    Err((error, _)) => panic!("{error}"),
                }
            }
        }
    }
}
