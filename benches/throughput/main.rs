//! How near the worker comes to a bare copy, on a real Redis and a real Apache Kafka.
//!
//! `cargo bench --bench throughput -- [--rounds N] [--lines N] [--latency]`: the two take turns over the same made-up
//! lines; quote the ratio of the pairs, since the machine's own speed drifts.

#[path = "../../tests/harness/mod.rs"]
mod harness;

mod bare_copy;
mod latency;

use std::path::Path;
use std::time::{Duration, Instant};

use clap::Parser;
use harness::{Kafka, KafkaOptions, Launch, Redis, Usage, end_offsets};
use redis::Commands;

const TOPICS: [&str; 2] = ["clicks", "inapp"];
const WARM_UP_ROUNDS: usize = 4;
const MASTER: &str = "master";
const QUEUE: &str = "click_queue";

#[derive(Parser)]
struct Arguments {
    #[arg(long, default_value_t = 6)]
    rounds: usize,
    #[arg(long, default_value_t = 1_000_000)]
    lines: u64,
    /// Share of user agents that no line had before
    #[arg(long, default_value = "0")]
    fresh_agents: String,
    #[arg(long, default_value = "none")]
    compression: String,
    /// A further variable for the worker, NAME=VALUE
    #[arg(long)]
    variable: Vec<String>,
    /// Measure the latency from an idle queue instead
    #[arg(long)]
    latency: bool,
    /// Given by `cargo bench`
    #[arg(long, hide = true)]
    bench: bool,
}

/// One run over all lines.
struct Run {
    /// From the first line taken to the last message in Kafka.
    seconds: f64,
    usage: Usage,
    redis_cpu: f64,
    kafka_cpu: f64,
}

fn main() {
    if std::env::args().nth(1).as_deref() == Some(bare_copy::ARGUMENT) {
        bare_copy::run();
        return;
    }
    let arguments = Arguments::parse();
    let redis = Redis::start(&[]);
    let kafka = Kafka::start(KafkaOptions { benchmark: true, ..KafkaOptions::default() });
    for topic in TOPICS {
        kafka.create_topic(topic, 4, &[]);
    }
    if arguments.latency {
        latency::measure(&redis, &kafka, &arguments.compression);
        return;
    }
    fill(&redis, &arguments);
    let copy = std::env::current_exe().expect("we are running");
    let worker = Path::new(env!("CARGO_BIN_EXE_kafkastore"));
    // The broker's compiler needs some millions of messages to finish its work.
    for _ in 0..WARM_UP_ROUNDS {
        run(&redis, &kafka, &copy, &[bare_copy::ARGUMENT], &arguments);
        run(&redis, &kafka, worker, &["worker"], &arguments);
    }
    println!(
        "| round | copy events/s | worker events/s | ratio | copy CPU | worker CPU | worker RSS MiB | Redis CPU | Kafka CPU |"
    );
    println!("|---|---|---|---|---|---|---|---|---|");
    let mut ratios = Vec::new();
    for round in 1..=arguments.rounds {
        let copied = run(&redis, &kafka, &copy, &[bare_copy::ARGUMENT], &arguments);
        let worked = run(&redis, &kafka, worker, &["worker"], &arguments);
        let millions = arguments.lines as f64 / 1e6;
        ratios.push(copied.seconds / worked.seconds);
        println!(
            "| {round} | {:.0} | {:.0} | {:.3} | {:.2} | {:.2} | {} | {:.2} / {:.2} | {:.2} / {:.2} |",
            arguments.lines as f64 / copied.seconds,
            arguments.lines as f64 / worked.seconds,
            copied.seconds / worked.seconds,
            copied.usage.cpu.as_secs_f64() / millions,
            worked.usage.cpu.as_secs_f64() / millions,
            worked.usage.peak_resident / 1024 / 1024,
            copied.redis_cpu / millions,
            worked.redis_cpu / millions,
            copied.kafka_cpu / millions,
            worked.kafka_cpu / millions,
        );
    }
    ratios.sort_by(f64::total_cmp);
    println!(
        "median ratio {:.3} (from {:.3} to {:.3})",
        ratios[ratios.len() / 2],
        ratios[0],
        ratios[ratios.len() - 1]
    );
}

/// Makes the lines once; each run gets a copy.
fn fill(redis: &Redis, arguments: &Arguments) {
    let lines = arguments.lines.to_string();
    let sender = Launch::new(&["send", "--sample", &lines, "--fresh-agents", &arguments.fresh_agents])
        .variables(&[("REDIS_URL", &redis.url()), ("QUEUE", MASTER)])
        .start();
    assert!(sender.wait(Duration::from_secs(120)).success());
}

fn run(redis: &Redis, kafka: &Kafka, program: &Path, command: &[&str], arguments: &Arguments) -> Run {
    let mut connection = redis.connection();
    let _: bool = redis::cmd("COPY")
        .arg(MASTER)
        .arg(QUEUE)
        .arg("REPLACE")
        .query(&mut connection)
        .expect("redis copies");
    let before = end_offsets(&kafka.bootstrap(), &TOPICS);
    let servers = || {
        let cpu = |pid: Option<i32>| Usage::of(pid.expect("it runs")).cpu.as_secs_f64();
        (cpu(redis.process_id()), cpu(kafka.process_id()))
    };
    let (redis_before, kafka_before) = servers();
    let (redis_url, kafka_url) = (redis.url(), kafka.bootstrap());
    let mut variables = vec![
        ("REDIS_URL", redis_url.as_str()),
        ("KAFKA_URL", &kafka_url),
        ("KAFKA_COMPRESSION", &arguments.compression),
    ];
    variables.extend(arguments.variable.iter().filter_map(|variable| variable.split_once('=')));
    let program = Launch::of(program, command).variables(&variables).start();
    let first_taken = wait_for(|| {
        let left: u64 = connection.llen(QUEUE).expect("redis answers");
        left < arguments.lines
    });
    // Kafka is asked only when it can be over: to ask is work for it.
    wait_for(|| connection.llen::<_, u64>(QUEUE).expect("redis answers") == 0);
    let last_there = wait_for(|| end_offsets(&kafka.bootstrap(), &TOPICS) - before >= arguments.lines);
    let usage = program.usage();
    let (redis_after, kafka_after) = servers();
    program.signal(harness::Signal::TERM);
    program.wait(Duration::from_secs(10));
    Run {
        seconds: (last_there - first_taken).as_secs_f64(),
        usage,
        redis_cpu: redis_after - redis_before,
        kafka_cpu: kafka_after - kafka_before,
    }
}

fn wait_for(mut condition: impl FnMut() -> bool) -> Instant {
    let deadline = Instant::now() + Duration::from_secs(120);
    while !condition() {
        assert!(Instant::now() < deadline, "not within two minutes");
        std::thread::sleep(Duration::from_millis(3));
    }
    Instant::now()
}
