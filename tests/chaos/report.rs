//! What came of a run, and why it does not pass.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::fault::Kind;
use crate::ledger::Figures;
use crate::options::{Delivery, Options};
use crate::part::{Ending, Outcome};
use crate::plan::{Plan, Topology};
use crate::strike::Struck;

/// How many faults of a kind there were to be, have struck, and have met with something.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Count {
    planned: usize,
    struck: usize,
    met: usize,
}

type Counts = BTreeMap<Kind, Count>;

/// Prints everything and gives the reasons why the run does not pass.
pub fn conclude(plan: &Plan, options: &Options, outcomes: &[Outcome]) -> Vec<String> {
    let counts = count(plan, outcomes);
    print_faults(&counts);
    let mut figures = Figures::default();
    let mut problems = Vec::new();
    for ((topology, outcome), delivery) in Topology::ALL.iter().zip(outcomes).zip(options.deliveries) {
        print_part(*topology, delivery, outcome);
        figures = figures + outcome.figures;
        problems.extend(outcome.problems.iter().map(|problem| format!("{}: {problem}", topology.name())));
    }
    let struck: usize = counts.values().map(|count| count.struck).sum();
    println!(
        "
seed {}, {struck} faults, {} pairs overlapped",
        options.size.seed,
        plan.overlaps()
    );
    println!("{figures}");
    problems.extend(too_little(&counts, plan.overlaps(), figures.pushed, options));
    problems
}

fn count(plan: &Plan, outcomes: &[Outcome]) -> Counts {
    let mut counts = Counts::new();
    for (kind, planned) in plan.count() {
        counts.entry(kind).or_default().planned = planned;
    }
    for Struck { fault, has_met } in outcomes.iter().flat_map(|outcome| &outcome.struck) {
        let count = counts.entry(fault.kind()).or_default();
        count.struck += 1;
        count.met += usize::from(*has_met);
    }
    counts
}

/// What makes a run worth nothing, however well it went.
fn too_little(counts: &Counts, overlaps: usize, pushed: u64, options: &Options) -> Vec<String> {
    let mut reasons = Vec::new();
    for kind in Kind::EVERYWHERE.into_iter().chain([Kind::KillBroker, Kind::RestartBroker]) {
        let Count { planned, struck, met } = counts.get(&kind).copied().unwrap_or_default();
        if planned == 0 {
            reasons.push(format!("no such fault was planned: {kind}"));
        }
        if struck < planned {
            reasons.push(format!("only {struck} of {planned} struck: {kind}"));
        }
        // Half of them, and one at least. With one fault of a kind only their sum says something.
        if options.is_timed && (met * 2 < struck || met == 0) {
            reasons.push(format!("only {met} of {struck} met with anything: {kind}"));
        }
    }
    let (struck, met) =
        counts.values().fold((0, 0), |(struck, met), count| (struck + count.struck, met + count.met));
    if met * 2 < struck || met == 0 {
        reasons.push(format!("only {met} of {struck} faults met with anything"));
    }
    if overlaps == 0 {
        reasons.push("no two faults overlapped".to_owned());
    }
    let wanted = options.lines;
    if pushed < wanted {
        reasons.push(format!("only {pushed} of {wanted} lines were pushed"));
    }
    reasons
}

fn print_faults(counts: &Counts) {
    println!("\n{:40} {:>7} {:>7} {:>7}", "fault", "planned", "struck", "met");
    for (kind, Count { planned, struck, met }) in counts {
        println!("{kind:40} {planned:7} {struck:7} {met:7}");
    }
}

fn print_part(topology: Topology, delivery: Delivery, outcome: &Outcome) {
    let seconds = |time: Option<Duration>| time.unwrap_or_default().as_secs_f64();
    let longest = |of: fn(&Ending) -> Duration| outcome.endings.iter().map(of).max();
    let slowest = outcome.endings.iter().map(Ending::speed).fold(f64::INFINITY, f64::min);
    println!("\n{}, {}: {}", topology.name(), delivery.name(), outcome.figures);
    println!("  in batches that were left by their owners: {} lines", outcome.left);
    println!(
        "  taken over in quiet within {:.1} s, under other faults within {:.1} s ({} times)",
        seconds(longest(|ending| ending.taken_over)),
        seconds(outcome.disturbed.iter().max().copied()),
        outcome.disturbed.len(),
    );
    println!(
        "  drained within {:.1} s after the last lease had run out, nothing in flight within {:.1} s; {slowest:.0} lines a second \
         at least, {:.0} at best",
        seconds(longest(|ending| ending.drained)),
        seconds(longest(|ending| ending.settled)),
        outcome.full_speed,
    );
    println!("  consumers waited {:.1} s for open transactions", outcome.held_back.as_secs_f64());
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counts() -> Counts {
        let all = Kind::EVERYWHERE.into_iter().chain([Kind::KillBroker, Kind::RestartBroker]);
        all.map(|kind| (kind, Count { planned: 4, struck: 4, met: 4 })).collect()
    }

    fn options() -> Options {
        Options { lines: 100, is_timed: true, ..Options::short() }
    }

    fn reasons(change: impl FnOnce(&mut Count)) -> Vec<String> {
        let mut counts = counts();
        change(counts.get_mut(&Kind::KillRedis).unwrap());
        too_little(&counts, 1, 100, &options())
    }

    #[test]
    fn enough_of_everything_is_enough() {
        assert!(reasons(|_| {}).is_empty());
        assert!(reasons(|count| count.met = 2).is_empty());
    }

    #[test]
    fn a_run_with_too_few_faults_does_not_pass() {
        assert_eq!(reasons(|count| count.struck = 3), ["only 3 of 4 struck: redis killed"]);
        assert_eq!(reasons(|count| count.met = 1), ["only 1 of 4 met with anything: redis killed"]);
        let nothing_met = too_little(
            &counts().into_keys().map(|kind| (kind, Count { planned: 1, struck: 1, met: 0 })).collect(),
            1,
            100,
            &Options { is_timed: false, ..options() },
        );
        assert_eq!(nothing_met, ["only 0 of 18 faults met with anything"]);
        let never = reasons(|count| *count = Count::default());
        assert!(never.contains(&"no such fault was planned: redis killed".to_owned()), "{never:?}");
    }

    #[test]
    fn a_run_with_too_few_lines_or_without_overlaps_does_not_pass() {
        assert_eq!(too_little(&counts(), 1, 99, &options()), ["only 99 of 100 lines were pushed"]);
        assert_eq!(too_little(&counts(), 0, 100, &options()), ["no two faults overlapped"]);
    }
}
