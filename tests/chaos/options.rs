//! How long a run is, and what is asked of the workers.

use std::time::Duration;

use crate::plan::{Plan, Size};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Delivery {
    AtLeastOnce,
    ExactlyOnce,
}

impl Delivery {
    pub fn name(self) -> &'static str {
        match self {
            Self::AtLeastOnce => "at-least-once",
            Self::ExactlyOnce => "exactly-once",
        }
    }
}

#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// Of each part, in the order of [`Topology::ALL`].
    pub deliveries: [Delivery; 2],
    pub size: Size,
    /// Lines that are pushed at least, in all parts together.
    pub lines: u64,
    /// Whether times are judged as well: the short form also runs on machines that have no time for it.
    pub is_timed: bool,
}

impl Options {
    /// Each kind of fault once, in less than half a minute of faults. One part delivers at least once and the other exactly
    /// once; which is which, the seed says.
    pub fn short() -> Self {
        let size = Size { seed: seed(), faults: 20, rounds: 1, round: Duration::from_secs(22) };
        let mut deliveries = [Delivery::AtLeastOnce, Delivery::ExactlyOnce];
        deliveries.rotate_left((size.seed % 2) as usize);
        Self { deliveries, size, lines: 200_000, is_timed: false }
    }

    /// What `bin/chaos` asks for.
    pub fn long() -> Self {
        const ROUND: Duration = Duration::from_secs(60);
        /// A round with its end, the start of everything and the count of what arrived.
        const ROUND_WITH_END: u64 = 110;
        let minutes = number("CHAOS_MINUTES").unwrap_or(20);
        let rounds = (minutes * 60 / ROUND_WITH_END).max(1);
        let least = Plan::least_faults(rounds as usize) as u64;
        let faults = number("CHAOS_FAULTS").unwrap_or(least.max(minutes * 10));
        assert!(
            faults >= least,
            "CHAOS_FAULTS: {least} at least, so that {rounds} rounds have one of each kind"
        );
        let delivery = match variable("CHAOS_DELIVERY").as_deref() {
            None | Some("exactly-once") => Delivery::ExactlyOnce,
            Some("at-least-once") => Delivery::AtLeastOnce,
            Some(other) => panic!("CHAOS_DELIVERY: at-least-once or exactly-once, not {other}"),
        };
        let size = Size { seed: seed(), faults: faults as usize, rounds: rounds as usize, round: ROUND };
        let lines = number("CHAOS_LINES").unwrap_or(minutes * 250_000);
        Self { deliveries: [delivery; 2], size, lines, is_timed: true }
    }
}

/// The one that is asked for, or one that nobody knows before.
fn seed() -> u64 {
    number("CHAOS_SEED").unwrap_or_else(|| u64::from(rand::random::<u32>()))
}

fn number(name: &str) -> Option<u64> {
    let text = variable(name)?;
    Some(text.parse().unwrap_or_else(|_| panic!("{name}: a whole number is needed, not {text}")))
}

#[allow(clippy::disallowed_methods, reason = "a test is told by its environment how long it is to run")]
fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}
