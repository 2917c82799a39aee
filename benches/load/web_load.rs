//! What it costs a worker at a quarter of its top rate that many ask the web process: push to readable, with and
//! without.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use crate::contender::{AT_LEAST_ONCE, Contender, Settings, stop};
use crate::harness::{Launch, free_port};
use crate::reader::Reader;
use crate::sender::{Pace, Sender};
use crate::servers::Servers;
use crate::statistics::percentile;

const LINES_A_SECOND: f64 = 75_000.0;
const REQUESTS_A_SECOND: u32 = 500;
const ASKERS: u32 = 4;
const PHASE: Duration = Duration::from_secs(30);
const WARM_UP: Duration = Duration::from_secs(15);

pub fn measure(servers: &Servers, settings: &Settings) {
    let worker = Contender::worker(AT_LEAST_ONCE).start(servers, settings);
    let port = free_port();
    let web = Launch::new(&["web"])
        .variables(&[("REDIS_URL", &servers.redis_url()), ("PORT", &port.to_string())])
        .start();
    web.wait_for_line("web started", Duration::from_secs(10));

    let mut sender = Sender::new(servers.redis[0].connection());
    let reader = Reader::new(&servers.kafka);
    let is_over = AtomicBool::new(false);
    std::thread::scope(|threads| {
        threads.spawn(|| sender.send(Pace::Steady(LINES_A_SECOND), &is_over));
        reader.read(WARM_UP);
        let alone = reader.read(PHASE);
        let askers: Vec<_> = (0..ASKERS).map(|_| threads.spawn(move || ask(port))).collect();
        let asked = reader.read(PHASE);
        let answers: Vec<u32> = askers.into_iter().flat_map(|asker| asker.join().expect("it asks")).collect();
        is_over.store(true, Ordering::Relaxed);
        let requests = answers.len() as f64 / PHASE.as_secs_f64();
        println!("push to readable at {LINES_A_SECOND} lines a second: {}", told(alone));
        println!("the same with {requests:.0} requests a second on /queues: {}", told(asked));
        println!("/queues: {}; peak RSS of web {} KiB", told(answers), web.usage().peak_resident / 1024);
    });
    stop(worker);
}

/// Microseconds until each answer was there, over one connection.
fn ask(port: u16) -> Vec<u32> {
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
        latencies.push(u32::try_from(asked_at.elapsed().as_micros()).expect("microseconds fit"));
        next += gap;
        std::thread::sleep(next.saturating_duration_since(Instant::now()));
    }
    latencies
}

fn told(mut micros: Vec<u32>) -> String {
    micros.sort_unstable();
    let at = |share| f64::from(percentile(&micros, share)) / 1000.0;
    format!("median {:.1} ms, 99th percentile {:.1} ms, of {}", at(0.5), at(0.99), micros.len())
}
