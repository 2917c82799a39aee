//! The protocol between Redis, workers and Kafka as a small state machine, explored through and through: reserve,
//! reject, acknowledge, lease, recover, and the transactions of exactly-once, with a crash, a pause and an unanswered
//! call at every step.
//!
//! - [`protocol`]: what is explored; the faults, and the rules that can be left out
//! - [`redis`], [`kafka`]: the servers; [`lane`]: the worker's side
//! - [`state`]: all of them at one moment, and what can happen next
//! - [`properties`]: what must hold; [`circles`]: that nothing goes on for ever
//! - [`rules`]: each rule left out, and what goes wrong then
//!
//! What it takes for granted: clocks go equally fast, a call does not outlive the connection it was sent on when Redis
//! restarts, Redis loses no write it has acknowledged (but for what a test lets it forget), and brokers keep the
//! protocol of transactions.

#![allow(clippy::unwrap_used, reason = "in a test a panic is the answer")]

use stateright::{Checker, HasDiscoveries, Model};

mod actions;
mod circles;
mod kafka;
mod lane;
mod lines;
mod names;
mod properties;
mod protocol;
mod redis;
mod rules;
mod state;

use protocol::{Faults, Mode, Protocol};

/// Both cores of a small machine.
const THREADS: usize = 2;

/// Two batches, of two lines and of one; a line of the first is a bad one now and then.
fn at_least_once() -> Protocol {
    Protocol {
        mode: Mode::AtLeastOnce,
        workers: 2,
        lines: 3,
        batch_size: 2,
        under_way: 2,
        fickle: Some(1),
        has_clock: false,
        faults: Faults::default(),
        left_out: None,
    }
}

/// One batch of two lines, one of which is a bad one now and then.
fn exactly_once() -> Protocol {
    Protocol { mode: Mode::ExactlyOnce, lines: 2, ..at_least_once() }
}

/// Two batches of one line each.
fn exactly_once_in_order() -> Protocol {
    Protocol { batch_size: 1, fickle: None, ..exactly_once() }
}

/// Any two faults, at any steps.
fn two_faults() -> Faults {
    Faults { in_all: 2, crashes: 2, pauses: 1, unanswered: 2, restarts: 1, stops: 1, ..Faults::default() }
}

/// Explores all of it, and says how much that was.
fn holds(protocol: Protocol) {
    let checker = protocol.checker().threads(THREADS).spawn_bfs().join();
    checker.assert_properties();
    println!("{} states, the last after {} steps", checker.unique_state_count(), checker.max_depth());
}

/// Explores until something breaks the property, which it must.
fn breaks(protocol: Protocol, property: &'static str) {
    let is_broken = HasDiscoveries::AnyOf([property].into());
    let checker = protocol.checker().threads(THREADS).finish_when(is_broken).spawn_bfs().join();
    let steps = checker.assert_any_discovery(property).into_actions();
    println!("{property}: not after {steps:#?}");
}

#[test]
fn at_least_once_keeps_its_promise_with_any_two_faults() {
    holds(Protocol { faults: two_faults(), ..at_least_once() });
}

#[test]
fn exactly_once_keeps_its_promise_with_any_two_faults() {
    holds(Protocol { faults: two_faults(), ..exactly_once() });
}

#[test]
fn exactly_once_keeps_its_promise_where_a_lane_has_two_batches() {
    let faults = Faults { crashes: 1, unanswered: 1, restarts: 0, stops: 0, ..two_faults() };
    holds(Protocol { faults, ..exactly_once_in_order() });
}

#[test]
fn exactly_once_keeps_its_promise_where_redis_forgets_seqs_and_kafka_offsets() {
    let faults =
        Faults { in_all: 2, crashes: 2, forgotten_seqs: 1, forgotten_offsets: 1, ..Faults::default() };
    holds(Protocol { faults, ..exactly_once_in_order() });
}

/// All else does without it: it could have been set back.
#[test]
fn the_clock_of_redis_does_no_harm() {
    let faults = Faults { crashes: 1, pauses: 0, unanswered: 0, ..two_faults() };
    holds(Protocol { has_clock: true, faults, ..at_least_once() });
    holds(Protocol { has_clock: true, faults, ..exactly_once() });
}

#[test]
fn three_workers_keep_both_promises_with_any_fault() {
    let faults = Faults { in_all: 1, ..two_faults() };
    holds(Protocol { workers: 3, lines: 2, faults, ..at_least_once() });
    holds(Protocol { workers: 3, faults, ..exactly_once() });
}
