//! One run of a contender over all lines, measured.

use std::time::{Duration, Instant};

use crate::contender::{Contender, Settings, stop};
use crate::harness::{Program, Usage};
use crate::load::Load;
use crate::servers::Servers;

/// After a program says that it is ready its lanes still make themselves known to Redis and Kafka.
const SETTLE: Duration = Duration::from_millis(500);
const TIMEOUT: Duration = Duration::from_secs(900);
const LOOK: Duration = Duration::from_millis(3);
const LOOK_AT_MEMORY: Duration = Duration::from_millis(50);

/// What a run took, from the moment that the lines were there to the moment that all were in Kafka and, by workers,
/// acknowledged; the start of the programs aside. CPU time is in seconds per million lines.
#[derive(Clone, Copy, Debug)]
pub struct Run {
    /// Lines a second.
    pub rate: f64,
    pub own_cpu: f64,
    pub redis_cpu: f64,
    pub kafka_cpu: f64,
    /// The most bytes that one of the programs had in memory.
    pub peak_resident: u64,
    /// The same without pages of files, which the system shares and can take back: the program itself, the database of
    /// countries.
    pub peak_unshared: u64,
}

impl Run {
    pub fn whole_cpu(&self) -> f64 {
        self.own_cpu + self.redis_cpu + self.kafka_cpu
    }

    /// A line for whoever watches.
    pub fn told(&self) -> String {
        let Run { rate, own_cpu, redis_cpu, kafka_cpu, .. } = self;
        let mebibytes = self.peak_unshared >> 20;
        format!(
            "{rate:.0} lines/s; CPU s a million {own_cpu:.2}, Redis {redis_cpu:.2}, Kafka {kafka_cpu:.2}; {mebibytes} MiB"
        )
    }
}

/// Lets a contender move all lines into topics that are empty.
pub fn run(servers: &mut Servers, contender: &Contender, settings: &Settings, load: &Load) -> Run {
    servers.empty_topics();
    load.prepare(servers);
    let programs = contender.start(servers, settings);
    std::thread::sleep(SETTLE);

    let mut memory = Memory { programs: &programs, looked_at: Instant::now(), peak: 0 };
    let (own_before, servers_before) = (own_cpu(&programs), servers.cpu());
    let mut seconds = 0.0;
    for time in 0..load.times {
        let started_at = Instant::now();
        load.put(servers, time);
        wait_for(|| {
            memory.look();
            servers.waiting() == 0
        });
        if contender.is_copy {
            // Asked only when it can be over: to ask is work for Kafka.
            let expected = load.lines * (time + 1);
            wait_for(|| servers.delivered() >= expected);
        } else {
            wait_for(|| servers.is_acknowledged());
        }
        seconds += started_at.elapsed().as_secs_f64();
    }
    let (own_after, servers_after) = (own_cpu(&programs), servers.cpu());
    let peak_resident = programs.iter().map(|program| program.usage().peak_resident).max();
    let peak_unshared = memory.peak;
    stop(programs);
    assert!(servers.delivered() >= load.total(), "{}: lines are missing in kafka", contender.name);
    let millions = load.total() as f64 / 1e6;
    Run {
        rate: load.total() as f64 / seconds,
        own_cpu: (own_after - own_before) / millions,
        redis_cpu: (servers_after.redis - servers_before.redis) / millions,
        kafka_cpu: (servers_after.kafka - servers_before.kafka) / millions,
        peak_resident: peak_resident.unwrap_or_default(),
        peak_unshared,
    }
}

fn own_cpu(programs: &[Program]) -> f64 {
    programs.iter().map(|program| program.cpu_time().as_secs_f64()).sum()
}

/// How much memory programs have that is theirs alone, looked up now and then.
struct Memory<'a> {
    programs: &'a [Program],
    looked_at: Instant,
    peak: u64,
}

impl Memory<'_> {
    fn look(&mut self) {
        if self.peak > 0 && self.looked_at.elapsed() < LOOK_AT_MEMORY {
            return;
        }
        self.looked_at = Instant::now();
        let most = self.programs.iter().map(|program| Usage::of(program.process_id()).unshared).max();
        self.peak = self.peak.max(most.unwrap_or_default());
    }
}

fn wait_for(mut condition: impl FnMut() -> bool) {
    let deadline = Instant::now() + TIMEOUT;
    while !condition() {
        assert!(Instant::now() < deadline, "not within {TIMEOUT:?}");
        std::thread::sleep(LOOK);
    }
}
