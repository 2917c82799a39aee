//! What an event costs with more lanes, more workers, more Redis servers, and with a longer queue.

use std::sync::Arc;

use crate::contender::{Contender, Settings};
use crate::load::Load;
use crate::run::{Run, run};
use crate::servers::Servers;
use crate::statistics::{median, order_of_turns};
use crate::tables::thousands;

/// Variants that differ in one thing.
pub struct Group {
    pub title: &'static str,
    pub variants: Vec<Variant>,
}

pub struct Variant {
    pub name: String,
    pub runs: Vec<Run>,
    contender: Contender,
    redis_servers: usize,
    load: Load,
}

impl Variant {
    fn new(name: String, contender: Contender, redis_servers: usize, load: Load) -> Variant {
        Variant { name, runs: Vec::new(), contender, redis_servers, load }
    }

    pub fn median(&self, figure: impl Fn(&Run) -> f64) -> f64 {
        median(&self.runs.iter().map(figure).collect::<Vec<_>>())
    }

    pub fn peak_unshared(&self) -> u64 {
        self.runs.iter().map(|run| run.peak_unshared).max().unwrap_or_default()
    }
}

/// Measures workers; `lines` is how many lie in the queue where nothing else is said.
pub fn measure(
    one: &mut Servers,
    delivery: &'static str,
    settings: &Settings,
    lines: u64,
    warm_up_rounds: usize,
    rounds: usize,
) -> Vec<Group> {
    let mut three = Servers::with(Arc::clone(&one.kafka), 3);
    let worker = Contender::worker(delivery);
    let load = Load::of(lines, 0.0);
    for round in 0..warm_up_rounds {
        let ran = run(one, &worker, settings, &load);
        eprintln!("warm-up {}: {}", round + 1, ran.told());
    }
    let mut groups = groups(&worker, &load);
    let places: Vec<(usize, usize)> = groups
        .iter()
        .enumerate()
        .flat_map(|(group, variants)| (0..variants.variants.len()).map(move |variant| (group, variant)))
        .collect();
    for round in 0..rounds {
        for turn in order_of_turns(round, places.len()) {
            let (group, variant) = places[turn];
            let group = &mut groups[group];
            let variant = &mut group.variants[variant];
            let servers = if variant.redis_servers == 1 { &mut *one } else { &mut three };
            let ran = run(servers, &variant.contender, settings, &variant.load);
            eprintln!("round {}, {}, {}: {}", round + 1, group.title, variant.name, ran.told());
            variant.runs.push(ran);
        }
    }
    groups
}

fn groups(worker: &Contender, load: &Load) -> Vec<Group> {
    let lanes = [1, 2, 4]
        .map(|lanes| Variant::new(counted(lanes, "lane"), worker.clone().with_lanes(lanes), 1, load.clone()));
    let workers = [1, 2, 4].map(|workers| {
        Variant::new(counted(workers, "worker"), worker.clone().times(workers), 1, load.clone())
    });
    let servers =
        [1, 3].map(|servers| Variant::new(counted(servers, "server"), worker.clone(), servers, load.clone()));
    // A short queue is empty before much can be measured, so it is filled often; a long one has no room for a copy.
    let queues = [
        Load { lines: load.lines / 100, times: 100, ..load.clone() },
        load.clone(),
        Load { lines: load.lines * 10, is_kept: false, ..load.clone() },
    ]
    .map(|load| Variant::new(format!("{} lines", thousands(load.lines as f64)), worker.clone(), 1, load));
    vec![
        Group { title: "Lanes of one worker", variants: lanes.into() },
        Group { title: "Workers", variants: workers.into() },
        Group { title: "Redis servers", variants: servers.into() },
        Group { title: "Lines in the queue", variants: queues.into() },
    ]
}

fn counted(number: usize, what: &str) -> String {
    if number == 1 { format!("1 {what}") } else { format!("{number} {what}s") }
}
