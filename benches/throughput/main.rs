//! How near the worker comes to a bare copy, on a real Redis and a real Apache Kafka.
//!
//! `cargo bench --bench throughput -- [--rounds N] [--lines N] [--exactly-once] [--latency] [--web-load]`: they take turns over the
//! same made-up lines; quote the ratios within a round, since the machine's own speed drifts.

#[path = "../../tests/harness/mod.rs"]
mod harness;

mod bare_copy;
mod latency;
mod web_load;

use std::path::PathBuf;
use std::time::{Duration, Instant};

use clap::Parser;
use harness::{Kafka, KafkaOptions, Launch, Redis, Usage, end_offsets};
use redis::Commands;

const TOPICS: [&str; 2] = ["clicks", "inapp"];
const WARM_UP_ROUNDS: usize = 4;
const MASTER: &str = "master";
const QUEUE: &str = "click_queue";
const BATCHES: &str = "click_queue:batches";

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
    /// Measure a worker that delivers exactly once as well; with --latency, only that
    #[arg(long)]
    exactly_once: bool,
    /// Measure the latency from an idle queue instead
    #[arg(long)]
    latency: bool,
    /// Measure what it costs a worker that many ask the web process
    #[arg(long)]
    web_load: bool,
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
        let delivery = if arguments.exactly_once { "exactly-once" } else { "at-least-once" };
        latency::measure(&redis, &kafka, delivery, &arguments.compression);
        return;
    }
    if arguments.web_load {
        web_load::measure(&redis, &kafka);
        return;
    }
    fill(&redis, &arguments);
    let contenders = contenders(&arguments);
    // The broker's compiler needs some millions of messages to finish its work.
    for _ in 0..WARM_UP_ROUNDS {
        for contender in &contenders {
            run(&redis, &kafka, contender, &arguments);
        }
    }
    println!("| round | | events/s | of the copy | CPU s a million | peak RSS MiB | Redis CPU | Kafka CPU |");
    println!("|---|---|---|---|---|---|---|---|");
    let mut ratios = vec![Vec::new(); contenders.len()];
    for round in 1..=arguments.rounds {
        let runs: Vec<Run> =
            contenders.iter().map(|contender| run(&redis, &kafka, contender, &arguments)).collect();
        let millions = arguments.lines as f64 / 1e6;
        for ((contender, ran), ratios) in contenders.iter().zip(&runs).zip(&mut ratios) {
            let ratio = runs[0].seconds / ran.seconds;
            ratios.push(ratio);
            println!(
                "| {round} | {} | {:.0} | {ratio:.3} | {:.2} | {} | {:.2} | {:.2} |",
                contender.name,
                arguments.lines as f64 / ran.seconds,
                ran.usage.cpu.as_secs_f64() / millions,
                ran.usage.peak_resident / 1024 / 1024,
                ran.redis_cpu / millions,
                ran.kafka_cpu / millions,
            );
        }
    }
    for (contender, ratios) in contenders.iter().zip(&ratios).skip(1) {
        println!("{} of the copy: {}", contender.name, spread(ratios));
    }
    if let [_, at_least_once, exactly_once] = ratios.as_slice() {
        let ratios: Vec<f64> =
            exactly_once.iter().zip(at_least_once).map(|(this, that)| this / that).collect();
        println!("exactly-once of at-least-once: {}", spread(&ratios));
    }
}

/// The median, and how far it goes.
fn spread(ratios: &[f64]) -> String {
    let mut sorted = ratios.to_vec();
    sorted.sort_by(f64::total_cmp);
    let (first, last) = (sorted[0], sorted[sorted.len() - 1]);
    format!("median {:.3} (from {first:.3} to {last:.3})", sorted[sorted.len() / 2])
}

/// A program that moves the lines.
struct Contender {
    name: &'static str,
    program: PathBuf,
    command: &'static str,
    delivery: Option<&'static str>,
}

/// The first is what the others are measured against.
fn contenders(arguments: &Arguments) -> Vec<Contender> {
    let copy = std::env::current_exe().expect("we are running");
    let worker = |name| Contender {
        name,
        program: env!("CARGO_BIN_EXE_kafkastore").into(),
        command: "worker",
        delivery: Some(name),
    };
    let mut contenders = vec![
        Contender { name: "copy", program: copy, command: bare_copy::ARGUMENT, delivery: None },
        worker("at-least-once"),
    ];
    if arguments.exactly_once {
        contenders.push(worker("exactly-once"));
    }
    contenders
}

/// Makes the lines once; each run gets a copy.
fn fill(redis: &Redis, arguments: &Arguments) {
    let lines = arguments.lines.to_string();
    let sender = Launch::new(&["send", "--sample", &lines, "--fresh-agents", &arguments.fresh_agents])
        .variables(&[("REDIS_URL", &redis.url()), ("QUEUE", MASTER)])
        .start();
    assert!(sender.wait(Duration::from_secs(120)).success());
}

fn run(redis: &Redis, kafka: &Kafka, contender: &Contender, arguments: &Arguments) -> Run {
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
    variables.extend(contender.delivery.map(|delivery| ("DELIVERY", delivery)));
    variables.extend(arguments.variable.iter().filter_map(|variable| variable.split_once('=')));
    let program = Launch::of(&contender.program, &[contender.command]).variables(&variables).start();
    let first_taken = wait_for(|| {
        let left: u64 = connection.llen(QUEUE).expect("redis answers");
        left < arguments.lines
    });
    // Kafka is asked only when it can be over: to ask is work for it.
    wait_for(|| connection.llen::<_, u64>(QUEUE).expect("redis answers") == 0);
    wait_for(|| end_offsets(&kafka.bootstrap(), &TOPICS) - before >= arguments.lines);
    // The end of a transaction counts as a message: a worker is done when its last batch is acknowledged.
    let last_there = wait_for(|| connection.hlen::<_, u64>(BATCHES).expect("redis answers") == 0);
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
