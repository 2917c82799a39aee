//! What the device engines cost: start, memory, time; run by `bin/bench devices`.
//!
//! Each engine runs in a process of its own, on all user agents that are published with Matomo's files: 37,000, none of
//! them twice, so that no cache helps.

use std::hint::black_box;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use kafkastore::enrich::device::Engine;
use kafkastore::enrich::device::matomo::Matomo;
use kafkastore::enrich::device::woothee::Woothee;

#[path = "../../tests/devices/fixtures.rs"]
#[expect(dead_code, reason = "what is expected, the tests look at")]
mod fixtures;
#[path = "../../tests/devices/hostile.rs"]
mod hostile;

const CURRENT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/target/devices/current");
const FORMER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/target/devices/former");
const ROUNDS: usize = 5;

fn main() {
    let asked = std::env::args().nth(1).filter(|name| !name.starts_with('-'));
    if let Some(name) = asked {
        return measure(&name);
    }
    println!(
        "engine             start    memory  after all   first time     again   slowest  slowest, hostile"
    );
    for name in ["woothee", "matomo-former", "matomo-current"] {
        let this = std::env::current_exe().expect("this program");
        let status = Command::new(this).arg(name).status().expect("this program, once more");
        assert!(status.success(), "{name} failed");
    }
}

fn start(name: &str) -> Engine {
    let folder = match name {
        "woothee" => return Engine::Woothee(Woothee::new()),
        "matomo-former" => FORMER,
        _ => CURRENT,
    };
    let engine =
        Matomo::open(Path::new(folder)).unwrap_or_else(|error| panic!("{error}, run bin/bench devices"));
    Engine::Matomo(Box::new(engine), folder.into())
}

fn measure(name: &str) {
    let fixtures = fixtures::read(&Path::new(CURRENT).join("fixtures"));
    let mut real = Texts::new(fixtures.iter().map(|fixture| fixture.user_agent.clone()).collect());
    let mut seen = Texts::new(real.texts.clone());
    let mut hostile = Texts::new(hostile::user_agents(
        fixtures.iter().map(|fixture| &*fixture.user_agent),
        Path::new(if name == "matomo-former" { FORMER } else { CURRENT }),
    ));
    let before = memory();
    let mut used = [0; 2];
    let (mut starts, mut first, mut again) = (Vec::new(), Vec::new(), Vec::new());
    for round in 0..ROUNDS {
        let begin = Instant::now();
        let engine = start(name);
        starts.push(begin.elapsed().as_secs_f64() * 1e3);
        let after_start = memory() - before;
        first.push(real.detect_all(&engine));
        again.push(seen.detect_all(&engine));
        if round == 0 {
            used = [after_start, memory() - before];
        }
        // Started anew: no pattern is compiled that a hostile one needs.
        hostile.detect_all(&start(name));
    }
    let [start, first, again] = [starts, first, again].map(median);
    let [after_start, after_all] = used;
    println!(
        "{name:15} {start:>5.0} ms {after_start:>5} MiB {after_all:>6} MiB {first:>11.0}/s {again:>8.0}/s {:>6.1} ms {:>15.1} ms",
        real.slowest(),
        hostile.slowest()
    );
}

fn median(mut figures: Vec<f64>) -> f64 {
    figures.sort_by(f64::total_cmp);
    figures[figures.len() / 2]
}

/// User agents, with the shortest time that each took: what the machine did meanwhile is not the engine's.
struct Texts {
    texts: Vec<String>,
    shortest: Vec<Duration>,
}

impl Texts {
    fn new(texts: Vec<String>) -> Self {
        Self { shortest: vec![Duration::MAX; texts.len()], texts }
    }

    /// Gives how many a second.
    fn detect_all(&mut self, engine: &Engine) -> f64 {
        let begin = Instant::now();
        let mut last = begin;
        let mut times = Vec::with_capacity(self.texts.len());
        for text in &self.texts {
            black_box(engine.detect(black_box(text)));
            let now = Instant::now();
            times.push(now - last);
            last = now;
        }
        let rate = self.texts.len() as f64 / begin.elapsed().as_secs_f64();
        for (shortest, time) in self.shortest.iter_mut().zip(times) {
            *shortest = time.min(*shortest);
        }
        rate
    }

    /// How long the slowest took, in milliseconds.
    fn slowest(&self) -> f64 {
        self.shortest.iter().max().expect("some").as_secs_f64() * 1e3
    }
}

/// Memory that the process holds, in MiB.
fn memory() -> i64 {
    let status = std::fs::read_to_string("/proc/self/status").expect("Linux");
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("resident memory");
    line.trim().trim_end_matches(" kB").parse::<i64>().expect("kB") / 1024
}
