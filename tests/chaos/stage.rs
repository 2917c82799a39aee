//! Servers, wires and workers of one part of a run.

use std::sync::Mutex;
use std::time::{Duration, Instant};

use tokio::runtime::Runtime;

use crate::crew::Crew;
use crate::fault::{Line, SEATS, SPARE_SEAT, Whose};
use crate::harness::{Cluster, Listener, Redis, free_port};
use crate::lines::TOPICS;
use crate::options::Delivery;
use crate::plan::Topology;
use crate::queue;
use crate::wire::{Weather, Wire};

const PARTITIONS: i32 = 3;
const LANES: &str = "2";

pub struct Stage {
    pub topology: Topology,
    pub redis: Redis,
    pub cluster: Cluster,
    pub crew: Crew,
    /// Whoever holds it is the one that has Redis come and go.
    pub redis_turn: Mutex<()>,
    /// The same for the brokers.
    pub brokers_turn: Mutex<()>,
    kafka_wires: Wires,
    redis_wires: Wires,
    begun: Instant,
    /// Carries what goes over the wires.
    _runtime: Runtime,
}

/// Those of each seat.
struct Wires {
    turn: Mutex<()>,
    of_seats: Vec<Vec<Wire>>,
}

impl Wires {
    fn new(of_seats: Vec<Vec<Wire>>) -> Self {
        Self { turn: Mutex::default(), of_seats }
    }

    fn of(&self, whose: Whose) -> impl Iterator<Item = &Wire> {
        let seats = match whose {
            Whose::One(seat) => seat..seat + 1,
            Whose::Everyones => 0..self.of_seats.len(),
        };
        self.of_seats[seats].iter().flatten()
    }
}

impl Stage {
    pub fn set(topology: Topology, delivery: Delivery) -> Self {
        let runtime = Runtime::new().unwrap();
        let redis = Redis::start(&["--appendonly", "yes", "--appendfsync", "always"]);
        let seats = 0..=SPARE_SEAT;
        let mut listeners = vec![Vec::new(); topology.brokers()];
        let mut kafka_wires = Vec::new();
        let mut redis_wires = Vec::new();
        for _ in seats {
            let mut wires = Vec::new();
            for broker in &mut listeners {
                let port = free_port();
                let wire = Wire::to(port, runtime.handle());
                broker.push(Listener { port, advertised_port: wire.port() });
                wires.push(wire);
            }
            kafka_wires.push(wires);
            redis_wires.push(vec![Wire::to(redis.port(), runtime.handle())]);
        }
        let cluster = Cluster::start(&listeners);
        for topic in TOPICS {
            cluster.create_topic(topic, PARTITIONS);
        }
        let variables = (0..=SPARE_SEAT)
            .map(|seat| variables(&redis_wires[seat], &kafka_wires[seat], delivery))
            .collect();
        Self {
            topology,
            redis,
            cluster,
            crew: Crew::start(variables),
            redis_turn: Mutex::default(),
            brokers_turn: Mutex::default(),
            kafka_wires: Wires::new(kafka_wires),
            redis_wires: Wires::new(redis_wires),
            begun: Instant::now(),
            _runtime: runtime,
        }
    }

    /// Says what happens, and when.
    pub fn tell(&self, what: impl std::fmt::Display) {
        println!("{:14} {:6.1} s  {what}", self.topology.name(), self.begun.elapsed().as_secs_f64());
    }

    /// Makes weather on the wires of a line for a time, and for up to `patience` longer until something has met with it.
    /// Says whether anything has.
    pub fn make_weather(
        &self,
        line: Line,
        whose: Whose,
        weather: Weather,
        lasts: Duration,
        patience: Duration,
    ) -> bool {
        let wires = match line {
            Line::Kafka => &self.kafka_wires,
            Line::Redis => &self.redis_wires,
        };
        let _turn = wires.turn.lock().unwrap();
        let touched = || wires.of(whose).map(Wire::touched).sum::<u64>();
        let before = touched();
        wires.of(whose).for_each(|wire| wire.set(weather));
        let has_met = last(lasts, patience, || touched() > before);
        wires.of(whose).for_each(|wire| wire.set(Weather::Fair));
        has_met
    }

    /// Whether nothing waits and nothing is in flight.
    pub fn is_drained(&self) -> bool {
        let mut connection = self.redis.connection();
        // In this order: a line goes from the queue to a batch, and never back.
        queue::depth(&mut connection).unwrap() == 0 && queue::batches(&mut connection).unwrap().is_empty()
    }

    /// How many lines wait.
    pub fn depth(&self) -> u64 {
        queue::depth(&mut self.redis.connection()).unwrap()
    }

    /// Whether nothing is in flight but what was left by its owner.
    pub fn is_drained_by_the_living(&self) -> bool {
        let mut connection = self.redis.connection();
        let batches = queue::batches(&mut connection).unwrap();
        batches.keys().all(|field| !queue::is_leased(&mut connection, queue::slot_of(field)).unwrap())
    }

    /// What is still in Redis, for whoever wonders why.
    pub fn left_in_redis(&self) -> String {
        let mut connection = self.redis.connection();
        let depth = queue::depth(&mut connection).unwrap();
        let batches = queue::batches(&mut connection).unwrap();
        let leased: Vec<bool> = batches
            .keys()
            .map(|field| queue::is_leased(&mut connection, queue::slot_of(field)).unwrap())
            .collect();
        format!("{depth} lines wait; batches and their take-overs: {batches:?}; leased: {leased:?}")
    }
}

/// Waits for a time, and for up to `patience` longer until `is_enough`; says whether it is.
pub fn last(time: Duration, patience: Duration, mut is_enough: impl FnMut() -> bool) -> bool {
    std::thread::sleep(time);
    let deadline = Instant::now() + patience;
    while !is_enough() {
        if Instant::now() >= deadline {
            return false;
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    true
}

fn variables(redis: &[Wire], kafka: &[Wire], delivery: Delivery) -> Vec<(&'static str, String)> {
    // Small, so that many batches are in flight; a transaction costs more than a batch without one.
    let batch_size = match delivery {
        Delivery::AtLeastOnce => "500",
        Delivery::ExactlyOnce => "2000",
    };
    let brokers: Vec<String> = kafka.iter().map(|wire| format!("127.0.0.1:{}", wire.port())).collect();
    vec![
        ("REDIS_URL", format!("redis://127.0.0.1:{}", redis[0].port())),
        ("KAFKA_URL", brokers.join(",")),
        ("DELIVERY", delivery.name().to_owned()),
        ("LANES", LANES.to_owned()),
        ("BATCH_SIZE", batch_size.to_owned()),
        // None is to go: each is counted.
        ("INVALID_MAX", "10000000".to_owned()),
        ("INVALID_MAX_BYTES", (1_u64 << 32).to_string()),
    ]
}

const _: () = assert!(SPARE_SEAT == SEATS, "the spare seat is the last");
