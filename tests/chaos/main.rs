//! Workers, brokers, Redis and the network between them are struck by faults at random moments while numbered lines go
//! through; then everything that came out is counted: pushed, lost, duplicated, out of nowhere.
//!
//! A run has two parts side by side, one on three brokers and one on an only broker, each with a Redis, workers, a sender
//! and a checker of its own; the figures are added up. The short form runs with the other tests, the long one by `bin/chaos`.
//!
//! - `options`: how long, how much
//! - `fault`: the faults there are
//! - `plan`: which of them strikes when, drawn from the seed
//! - `lines`: what each numbered line is
//! - `part`: one part of a run, from the first line to the last
//! - `stage`: its servers, wires and workers
//! - `wire`: a TCP proxy with weather
//! - `crew`: the workers in their seats
//! - `strike`: how a fault strikes, and how it is over
//! - `sender`: pushes the lines
//! - `queue`: what stands in Redis
//! - `watch`: which batches were left by their owners, and how soon they are taken over
//! - `ledger`: counts what came out
//! - `three_of_each`: another run: three Redis servers, three workers, three brokers, and one server cut off
//! - `report`: what came of it, and why it does not pass

#![allow(clippy::unwrap_used, reason = "in a test a panic is the answer")]

#[path = "../harness/mod.rs"]
mod harness;

mod crew;
mod fault;
mod ledger;
mod lines;
mod options;
mod part;
mod plan;
mod queue;
mod report;
mod sender;
mod stage;
mod strike;
mod three_of_each;
mod watch;
mod wire;

use std::panic::resume_unwind;
use std::thread;
use std::time::Duration;

use options::Options;
use plan::{Plan, Topology};

#[test]
fn nothing_is_lost_and_exactly_once_is_once_whatever_strikes() {
    run(&Options::short());
}

#[test]
#[ignore = "bin/chaos runs it, for as long as it is told"]
fn the_long_form() {
    run(&Options::long());
}

#[test]
fn a_server_that_is_cut_off_loses_nothing() {
    println!("{}", three_of_each::run(Duration::from_secs(8)));
}

#[test]
#[ignore = "bin/chaos --three-of-each runs it; it takes three minutes"]
fn a_server_that_is_cut_off_for_a_minute_costs_nobody_else() {
    let outcome = three_of_each::run(Duration::from_secs(65));
    println!("{outcome}");
    for passage in outcome.others.iter().flatten() {
        assert!(passage.share > 0.95 && passage.standstill < Duration::from_secs(2), "{passage:?}");
    }
    let (least, most) = (outcome.by_worker.iter().min().unwrap(), outcome.by_worker.iter().max().unwrap());
    assert!(least * 4 > *most, "the work is not shared: {:?}", outcome.by_worker);
}

#[track_caller]
fn run(options: &Options) {
    let plan = Plan::draw(options.size);
    let seed = options.size.seed;
    println!("seed {seed}, the faults:");
    for (topology, rounds) in Topology::ALL.iter().zip(&plan.0) {
        for (number, round) in rounds.iter().enumerate() {
            for strike in &round.strikes {
                println!("  {}, round {number}, {strike}", topology.name());
            }
        }
    }
    println!();
    let outcomes: Vec<part::Outcome> = thread::scope(|threads| {
        let parts = Topology::ALL.iter().zip(&plan.0).zip(options.deliveries);
        let parts: Vec<_> = parts
            .map(|((topology, rounds), delivery)| {
                threads.spawn(move || part::run(*topology, delivery, rounds, options))
            })
            .collect();
        parts.into_iter().map(|part| part.join().unwrap_or_else(|panic| resume_unwind(panic))).collect()
    });
    let problems = report::conclude(&plan, options, &outcomes);
    assert!(problems.is_empty(), "seed {seed} does not pass:\n- {}", problems.join("\n- "));
}
