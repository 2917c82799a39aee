//! Three trackers' Redis servers, three workers that each serve all of them, three brokers. Kafka is slow and its wires are
//! cut, then one Redis is cut off for a while. Nothing may be lost, the work is shared, and what the other servers' lines
//! have to bear is measured.

use std::collections::HashMap;
use std::fmt;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use redis::Commands;
use tokio::runtime::Runtime;

use crate::harness::{
    Cluster, Listener, Program, Redis, end_offsets, free_port, read_each, wait_until, waiting,
};
use crate::queue;
use crate::wire::{Weather, Wire};

const SERVERS: usize = 3;
const WORKERS: usize = 3;
const TOPICS: [&str; SERVERS] = ["of-server-0", "of-server-1", "of-server-2"];
/// Lines that a tracker pushes, and how often: 2,000 a second on each server.
const PUSHED_AT_ONCE: u64 = 100;
const PUSHED_EVERY: Duration = Duration::from_millis(50);
const DELAY: Duration = Duration::from_millis(5);
const LOOK: Duration = Duration::from_millis(200);
const PATIENCE: Duration = Duration::from_secs(180);

/// What the lines of a server had to bear over a time.
#[derive(Debug)]
pub struct Passage {
    /// Delivered, of those pushed meanwhile.
    pub share: f64,
    /// The longest time without any.
    pub standstill: Duration,
}

pub struct Outcome {
    pub pushed: u64,
    pub duplicates: u64,
    /// Of each server that was not cut off: while all was well, and while the other one was away.
    pub others: [[Passage; 2]; SERVERS - 1],
    /// From the end of the cut until nothing waited any more.
    pub drained_within: Duration,
    /// Lines that each worker says it has delivered, within whole minutes.
    pub by_worker: Vec<u64>,
}

impl fmt::Display for Outcome {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { pushed, duplicates, others, drained_within, by_worker } = self;
        writeln!(formatter, "pushed {pushed}, lost 0, duplicates {duplicates}; by worker {by_worker:?}")?;
        for (number, passages) in (1..).zip(others) {
            for (when, Passage { share, standstill }) in
                ["while all was well", "while another was cut off"].iter().zip(passages)
            {
                let share = share * 100.0;
                writeln!(
                    formatter,
                    "server {number}, {when}: {share:.1} % went through, longest standstill {standstill:.1?}"
                )?;
            }
        }
        write!(
            formatter,
            "what had waited on the server that was cut off: drained within {drained_within:.1?}"
        )
    }
}

struct Trio {
    servers: Vec<Redis>,
    cluster: Cluster,
    redis_wires: Vec<Wire>,
    kafka_wires: Vec<Wire>,
    workers: Vec<Program>,
    pushed: [AtomicU64; SERVERS],
    is_done: AtomicBool,
    _runtime: Runtime,
}

/// Runs it; cuts the first server off for `away`.
///
/// # Panics
/// When a line is lost, or the lines of the other servers stood still all that time.
pub fn run(away: Duration) -> Outcome {
    let trio = Trio::set();
    let (others, drained_within) = thread::scope(|threads| {
        for server in 0..SERVERS {
            let trio = &trio;
            threads.spawn(move || trio.push(server));
        }
        let pushing = Pushing(&trio.is_done);
        wait_until(PATIENCE, "lines of each server come through", || {
            (0..SERVERS).all(|server| trio.delivered(server) > 0)
        });
        let fair = trio.watch(away);
        trio.trouble_kafka();
        trio.redis_wires[0].set(Weather::Cut);
        let cut = trio.watch(away);
        trio.redis_wires[0].set(Weather::Fair);
        let healed_at = Instant::now();
        drop(pushing);
        trio.wait_until_drained();
        let [fair1, fair2] = fair;
        let [cut1, cut2] = cut;
        ([[fair1, cut1], [fair2, cut2]], healed_at.elapsed())
    });
    let (pushed, duplicates) = trio.count();
    let clicks = |worker: &Program| {
        let text = worker.stderr_text();
        let figures = text
            .lines()
            .filter_map(|line| line.split_once(" clicks=")?.1.split(' ').next()?.parse::<u64>().ok());
        figures.sum::<u64>()
    };
    let by_worker = trio.workers.iter().map(clicks).collect();
    Outcome { pushed, duplicates, others, drained_within, by_worker }
}

/// Ends the pushing when it is dropped, also by a panic.
struct Pushing<'a>(&'a AtomicBool);

impl Drop for Pushing<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

impl Trio {
    fn set() -> Self {
        let runtime = Runtime::new().unwrap();
        let servers: Vec<Redis> = (0..SERVERS).map(|_| Redis::start(&["--appendonly", "yes"])).collect();
        let redis_wires: Vec<Wire> =
            servers.iter().map(|server| Wire::to(server.port(), runtime.handle())).collect();
        let mut kafka_wires = Vec::new();
        let mut listeners = Vec::new();
        for _ in 0..3 {
            let port = free_port();
            let wire = Wire::to(port, runtime.handle());
            listeners.push(vec![Listener { port, advertised_port: wire.port() }]);
            kafka_wires.push(wire);
        }
        let cluster = Cluster::start(&listeners);
        for topic in TOPICS {
            cluster.create_topic(topic, 3);
        }
        let all = |scheme: &str, wires: &[Wire]| {
            let addresses: Vec<String> =
                wires.iter().map(|wire| format!("{scheme}127.0.0.1:{}", wire.port())).collect();
            addresses.join(",")
        };
        let (redis_url, kafka_url) = (all("redis://", &redis_wires), all("", &kafka_wires));
        let variables = [("REDIS_URL", &*redis_url), ("KAFKA_URL", &*kafka_url), ("LANES", "1")];
        let workers = (0..WORKERS).map(|_| Program::start(&["worker"], &variables)).collect();
        kafka_wires.iter().for_each(|wire| wire.set(Weather::Slow(DELAY)));
        let pushed = Default::default();
        Self {
            servers,
            cluster,
            redis_wires,
            kafka_wires,
            workers,
            pushed,
            is_done: AtomicBool::new(false),
            _runtime: runtime,
        }
    }

    /// As a tracker does, which has no wire of ours before it.
    fn push(&self, server: usize) {
        let mut connection = self.servers[server].connection();
        let mut next = Instant::now();
        while !self.is_done.load(Ordering::Relaxed) {
            let from = self.pushed[server].load(Ordering::Relaxed);
            let lines: Vec<String> = (from..from + PUSHED_AT_ONCE)
                .map(|number| format!("188.103.17.61 1465287056 {} /t/ist n={number} agent", TOPICS[server]))
                .collect();
            let _: u64 = connection.rpush(queue::NAME, lines).unwrap();
            self.pushed[server].store(from + PUSHED_AT_ONCE, Ordering::Relaxed);
            next += PUSHED_EVERY;
            thread::sleep(next.saturating_duration_since(Instant::now()));
        }
    }

    fn delivered(&self, server: usize) -> u64 {
        end_offsets(&self.cluster.bootstrap(), &[TOPICS[server]])
    }

    /// Watches the servers that are never cut off.
    fn watch(&self, time: Duration) -> [Passage; SERVERS - 1] {
        let pushed = |server: usize| self.pushed[server].load(Ordering::Relaxed);
        let begun = Instant::now();
        let mut seen = [1, 2].map(|server| (self.delivered(server), begun));
        let before = [1, 2].map(|server| (pushed(server), self.delivered(server)));
        let mut standstill = [Duration::ZERO; SERVERS - 1];
        while begun.elapsed() < time {
            thread::sleep(LOOK);
            for (place, server) in [1, 2].into_iter().enumerate() {
                let delivered = self.delivered(server);
                let (last, at) = &mut seen[place];
                standstill[place] = standstill[place].max(at.elapsed());
                if delivered > *last {
                    (*last, *at) = (delivered, Instant::now());
                }
            }
        }
        std::array::from_fn(|place| {
            let server = place + 1;
            let (pushed_before, delivered_before) = before[place];
            let (pushed, delivered) =
                (pushed(server) - pushed_before, self.delivered(server) - delivered_before);
            assert!(delivered > 0, "nothing of server {server} came through");
            Passage { share: delivered as f64 / pushed as f64, standstill: standstill[place] }
        })
    }

    /// Each wire in turn is cut, and comes back.
    fn trouble_kafka(&self) {
        for wire in &self.kafka_wires {
            wire.set(Weather::Cut);
            thread::sleep(Duration::from_secs(2));
            wire.set(Weather::Slow(DELAY));
            thread::sleep(Duration::from_secs(2));
        }
    }

    fn wait_until_drained(&self) {
        wait_until(PATIENCE, "nothing waits and nothing is in flight", || {
            self.servers.iter().all(|server| {
                let mut connection = server.connection();
                waiting(&mut connection, queue::NAME).unwrap() == 0
                    && queue::batches(&mut connection).unwrap().is_empty()
            })
        });
    }

    /// All lines that were pushed, and copies beyond the first of each.
    fn count(&self) -> (u64, u64) {
        let (mut pushed, mut duplicates) = (0, 0);
        for (server, topic) in TOPICS.into_iter().enumerate() {
            let mut copies: HashMap<u64, u64> = HashMap::new();
            read_each(&self.cluster.bootstrap(), &[topic], |message| {
                let text = String::from_utf8(message.payload).unwrap();
                let number = text.rsplit(" n=").next().unwrap().parse().unwrap();
                *copies.entry(number).or_default() += 1;
            });
            let of_server = self.pushed[server].load(Ordering::Relaxed);
            let lost = (0..of_server).filter(|number| !copies.contains_key(number)).count();
            assert_eq!(lost, 0, "lost of server {server}");
            assert_eq!(copies.len() as u64, of_server, "out of nowhere, of server {server}");
            pushed += of_server;
            duplicates += copies.values().map(|copies| copies - 1).sum::<u64>();
        }
        (pushed, duplicates)
    }
}
