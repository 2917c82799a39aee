//! The bare copy: pop a batch, produce it, nothing else. It loses what it has popped when it dies; it is the limit that
//! the worker is measured against, with the same librdkafka settings.

use std::num::NonZeroUsize;
use std::path::Path;
use std::time::Duration;

use clap::{Args, Parser, Subcommand};
use kafkastore::settings::{self, Variables};
use kafkastore::worker;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::producer::{BaseRecord, DefaultProducerContext, Producer, ThreadedProducer};
use redis::{Commands, Connection};

pub const COMMAND: &str = "bare-copy";
pub const STARTED: &str = "copy started";
const BATCH: NonZeroUsize = NonZeroUsize::new(1000).expect("not zero");

#[derive(Parser)]
struct CommandLine {
    #[command(subcommand)]
    command: Command,
}

/// The settings of a worker are found below a command.
#[derive(Subcommand)]
enum Command {
    BareCopy(Box<Arguments>),
}

#[derive(Args)]
struct Arguments {
    /// Threads that pop and produce, each with a producer of its own
    #[arg(long)]
    loops: usize,
    #[command(flatten)]
    worker: worker::Settings,
}

/// Copies until it is ended.
pub fn run() {
    let variables = Variables::read(std::env::vars_os(), Path::new("")).expect("nothing is read from a file");
    let CommandLine { command: Command::BareCopy(arguments) } =
        settings::parse(std::env::args_os(), &variables).expect("the benchmark's settings are right");
    let redis_url = variables.get("REDIS_URL").expect("the benchmark names a server");
    let Arguments { loops, worker } = *arguments;
    // The same function with the same arguments as in the worker: whatever it is told, the copy is told too.
    let config = worker
        .kafka
        .producer(worker.lanes(), worker.enrich.message_max_bytes)
        .expect("the benchmark's settings are right");
    std::thread::scope(|threads| {
        for _ in 0..loops {
            let producer: ThreadedProducer<DefaultProducerContext> = config.create().expect("a producer");
            let client = redis::Client::open(redis_url).expect("the benchmark's address is right");
            let connection = client.get_connection().expect("redis answers");
            threads.spawn(move || copy(&producer, connection));
        }
        println!("{STARTED}");
    });
}

fn copy(producer: &ThreadedProducer<DefaultProducerContext>, mut connection: Connection) {
    loop {
        let lines: Vec<Vec<u8>> = connection.lpop("click_queue", Some(BATCH)).expect("redis answers");
        if lines.is_empty() {
            producer.flush(Duration::from_secs(60)).expect("kafka answers");
            std::thread::sleep(Duration::from_millis(1));
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
