//! What it costs a worker at a quarter of its top rate that many ask the web process: push to readable, with and
//! without.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use rdkafka::Message as _;
use rdkafka::consumer::BaseConsumer;
use redis::Commands;

use crate::harness::{Kafka, Launch, Redis, free_port};
use crate::latency::reader;

const LINES_A_SECOND: u64 = 75_000;
const TICK: Duration = Duration::from_millis(5);
const REQUESTS_A_SECOND: u32 = 500;
const ASKERS: u32 = 4;
const PHASE: Duration = Duration::from_secs(30);
const WARM_UP: Duration = Duration::from_secs(15);

pub fn measure(redis: &Redis, kafka: &Kafka) {
    let variables = [("REDIS_URL", redis.url()), ("KAFKA_URL", kafka.bootstrap())];
    let variables: Vec<(&str, &str)> =
        variables.iter().map(|(name, value)| (*name, value.as_str())).collect();
    let worker = Launch::new(&["worker"]).variables(&variables).start();
    worker.wait_for_line("worker started", Duration::from_secs(10));
    let port = free_port();
    let web = Launch::new(&["web"]).variables(&variables).variables(&[("PORT", &port.to_string())]).start();
    web.wait_for_line("web started", Duration::from_secs(10));

    let is_over = AtomicBool::new(false);
    std::thread::scope(|threads| {
        threads.spawn(|| push(redis, &is_over));
        let consumer = reader(kafka);
        read(&consumer, WARM_UP);
        let alone = read(&consumer, PHASE);
        let askers: Vec<_> = (0..ASKERS).map(|_| threads.spawn(move || ask(port))).collect();
        let asked = read(&consumer, PHASE);
        let answers: Vec<u64> = askers.into_iter().flat_map(|asker| asker.join().expect("it asks")).collect();
        is_over.store(true, Ordering::Relaxed);
        let requests = answers.len() as f64 / PHASE.as_secs_f64();
        println!("push to readable at {LINES_A_SECOND} lines a second: {}", told(alone));
        println!("the same with {requests:.0} requests a second on /queues: {}", told(asked));
        println!("/queues: {}; peak RSS of web {} KiB", told(answers), web.usage().peak_resident / 1024);
    });
}

fn micros() -> u64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("it is later than 1970");
    u64::try_from(now.as_micros()).expect("microseconds fit")
}

fn push(redis: &Redis, is_over: &AtomicBool) {
    let mut connection = redis.connection();
    let lines_a_tick = LINES_A_SECOND * TICK.as_millis() as u64 / 1000;
    let mut next = Instant::now();
    while !is_over.load(Ordering::Relaxed) {
        let now = micros();
        let line = format!("8.8.8.8 {} clicks /t/click at={now} curl/7.43.0", now / 1_000_000);
        let lines = vec![line; usize::try_from(lines_a_tick).expect("a few hundred")];
        let _: u64 = connection.rpush("click_queue", lines).expect("redis answers");
        next += TICK;
        std::thread::sleep(next.saturating_duration_since(Instant::now()));
    }
}

/// Microseconds from push to here, of all messages that come in this time.
fn read(consumer: &BaseConsumer, time: Duration) -> Vec<u64> {
    let until = Instant::now() + time;
    let mut latencies = Vec::new();
    while Instant::now() < until {
        let Some(Ok(message)) = consumer.poll(Duration::from_millis(100)) else { continue };
        let text = std::str::from_utf8(message.payload().unwrap_or_default()).unwrap_or_default();
        let at = text.rsplit_once("at=").and_then(|(_, at)| at.parse::<u64>().ok());
        latencies.push(micros().saturating_sub(at.expect("it is one of ours")));
    }
    latencies
}

/// Microseconds until each answer was there, over one connection.
fn ask(port: u16) -> Vec<u64> {
    let stream = TcpStream::connect(("127.0.0.1", port)).expect("web listens");
    stream.set_nodelay(true).expect("a socket");
    let mut answers = BufReader::new(stream.try_clone().expect("a socket"));
    let mut stream = stream;
    let mut latencies = Vec::new();
    let (started_at, gap) = (Instant::now(), Duration::from_secs(1) * ASKERS / REQUESTS_A_SECOND);
    let mut next = started_at;
    while started_at.elapsed() < PHASE {
        let asked_at = Instant::now();
        stream.write_all(b"GET /queues HTTP/1.1\r\nHost: localhost\r\n\r\n").expect("web reads");
        let mut length = 0;
        loop {
            let mut line = String::new();
            answers.read_line(&mut line).expect("web answers");
            if let Some(value) = line.to_lowercase().strip_prefix("content-length:") {
                length = value.trim().parse().expect("a number");
            }
            if line == "\r\n" {
                break;
            }
        }
        let mut body = vec![0; length];
        answers.read_exact(&mut body).expect("web answers");
        assert!(body.starts_with(b"[{"), "{}", String::from_utf8_lossy(&body));
        latencies.push(u64::try_from(asked_at.elapsed().as_micros()).expect("microseconds fit"));
        next += gap;
        std::thread::sleep(next.saturating_duration_since(Instant::now()));
    }
    latencies
}

fn told(mut micros: Vec<u64>) -> String {
    micros.sort_unstable();
    let at = |share: f64| micros[(micros.len() as f64 * share) as usize] as f64 / 1000.0;
    format!("median {:.1} ms, 99th percentile {:.1} ms, of {}", at(0.5), at(0.99), micros.len())
}
