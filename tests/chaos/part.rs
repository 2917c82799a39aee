//! One part of a run, from the first line to the last: faults strike in rounds, and each round ends in quiet, with all
//! drained.

use std::panic::resume_unwind;
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use crate::crew::Crew;
use crate::fault::Fault;
use crate::harness::{package_root, read_each, wait_until_committed};
use crate::ledger::{Figures, Ledger};
use crate::lines::{Lines, TOPICS};
use crate::options::{Delivery, Options};
use crate::plan::{Round, Topology};
use crate::queue;
use crate::sender::Sender;
use crate::stage::{Stage, last};
use crate::strike::{Striker, Struck};
use crate::watch::{Death, Watch};

/// Lines that are pushed at once to see how fast they drain, at most.
const LUMP: u64 = 20_000;
/// While the last faults last.
const A_WHILE: Duration = Duration::from_millis(500);
/// Lines come in for so long while a round is to be ended by a kill.
const KILLED_WITHIN: Duration = Duration::from_secs(15);
/// A lease lasts 15 seconds.
const UNLEASED_WITHIN: Duration = Duration::from_secs(40);
/// What was promised: a lease, a lease seen absent, a look.
pub const TAKEN_OVER_WITHIN: Duration = Duration::from_secs(40);
/// What was promised: after the last lease has run out, the queue drains at full speed within this time.
const FULL_SPEED_WITHIN: Duration = Duration::from_secs(10);
/// A batch whose transaction nobody answers for is sent again when the transaction has run out.
const SETTLED_WITHIN: Duration = Duration::from_secs(70);
/// Full speed is the best that was seen, on a machine that has other work to do as well.
const SLOWER_AT_MOST: f64 = 4.0;
/// When a round is still not drained so long after its end, it never will be.
const STUCK_AFTER: Duration = Duration::from_secs(300);
/// Brokers abort the transaction of a producer that has gone after a minute, and look for such every ten seconds.
const COMMITTED_WITHIN: Duration = Duration::from_secs(180);

/// What came of a part.
#[derive(Default)]
pub struct Outcome {
    pub figures: Figures,
    /// Lines that may have come twice: their batches were left by their owners.
    pub left: u64,
    pub struck: Vec<Struck>,
    pub endings: Vec<Ending>,
    /// Take-overs that other faults may have delayed.
    pub disturbed: Vec<Duration>,
    /// The most lines a second that were seen.
    pub full_speed: f64,
    /// How long consumers had to wait for transactions that were left open.
    pub held_back: Duration,
    pub problems: Vec<String>,
}

/// How a round ended.
#[derive(Clone, Copy, Debug)]
pub struct Ending {
    /// From the kill to the last batch taken over.
    pub taken_over: Duration,
    /// From the end of the last lease to the end of the queue.
    pub drained: Duration,
    /// From the end of the last lease until the living workers had nothing in flight any more.
    pub settled: Duration,
    /// Lines that had waited by then, and that were pushed meanwhile.
    pub lines: u64,
}

impl Ending {
    /// Lines a second.
    pub fn speed(&self) -> f64 {
        self.lines as f64 / self.drained.as_secs_f64()
    }
}

pub fn run(topology: Topology, delivery: Delivery, rounds: &[Round], options: &Options) -> Outcome {
    let lines = Lines::new(options.size.seed ^ topology.brokers() as u64);
    let stage = Stage::set(topology, delivery);
    let directory = package_root().join(format!("target/chaos/{}/{}", options.size.seed, topology.name()));
    let _logs = LogsAtTheEnd { crew: &stage.crew, directory: &directory };
    let sender = Sender::new(&lines, stage.redis.url());
    let watch = Watch::new(&lines, stage.redis.url());
    let mut part = Part {
        striker: Striker { stage: &stage, sender: &sender, watch: &watch },
        outcome: Outcome::default(),
        lump: 0,
    };
    thread::scope(|threads| {
        threads.spawn(|| sender.run());
        threads.spawn(|| watch.run());
        let _finish = FinishAtTheEnd { sender: &sender, watch: &watch };
        part.play(rounds, options.lines / Topology::ALL.len() as u64);
    });
    let mut outcome = part.outcome;
    if options.is_timed {
        judge(&mut outcome);
    }
    check(&stage, &lines, &sender, &watch, delivery, &mut outcome);
    outcome
}

/// Also when the part ends by a panic, so that its threads end with it.
struct FinishAtTheEnd<'a> {
    sender: &'a Sender<'a>,
    watch: &'a Watch<'a>,
}

impl Drop for FinishAtTheEnd<'_> {
    fn drop(&mut self) {
        self.sender.finish();
        self.watch.finish();
    }
}

/// Also when the part ends by a panic: then they are wanted most.
struct LogsAtTheEnd<'a> {
    crew: &'a Crew,
    directory: &'a Path,
}

impl Drop for LogsAtTheEnd<'_> {
    fn drop(&mut self) {
        self.crew.write_logs(self.directory);
    }
}

struct Part<'a> {
    striker: Striker<'a>,
    outcome: Outcome,
    /// Lines that are pushed at once at the end of a round.
    lump: u64,
}

impl Part<'_> {
    fn play(&mut self, rounds: &[Round], lines: u64) {
        let share = lines / (rounds.len() as u64 + 1);
        self.lump = LUMP.min(share / 4);
        self.measure_full_speed();
        // One at the start, and two at the end of each round.
        let rest = lines - self.lump * (2 * rounds.len() as u64 + 1);
        for round in rounds {
            self.strike_all(round, rest / rounds.len() as u64 + 1);
            if let Err(problem) = self.end_round(round.last) {
                self.outcome.problems.push(problem);
                break;
            }
        }
        let deaths = self.striker.watch.deaths();
        let times = deaths.iter().filter_map(|death| Some(death.taken_over_at? - death.at));
        self.outcome.disturbed = times.collect();
    }

    fn stage(&self) -> &Stage {
        self.striker.stage
    }

    fn measure_full_speed(&mut self) {
        let since = Instant::now();
        self.striker.sender.send(1000, Duration::ZERO);
        let is_drained = || self.striker.sender.has_sent_all() && self.striker.stage.is_drained();
        assert!(last(Duration::ZERO, STUCK_AFTER, is_drained), "nothing gets through at all");
        self.stage().tell(format_args!("the first lines took {:.1} s", since.elapsed().as_secs_f64()));
        let since = Instant::now();
        self.striker.sender.send(self.lump, Duration::ZERO);
        assert!(last(Duration::ZERO, STUCK_AFTER, is_drained), "lines stand in the queue before any fault");
        self.outcome.full_speed = self.lump as f64 / since.elapsed().as_secs_f64();
        self.stage().tell(format_args!("{:.0} lines a second, still cold", self.outcome.full_speed));
    }

    /// Has the faults of a round strike while lines are pushed; returns when all are over.
    fn strike_all(&mut self, round: &Round, lines: u64) {
        let begun = Instant::now();
        let length = round.strikes.iter().map(|strike| strike.end()).max().unwrap_or_default();
        self.striker.sender.send(lines, length);
        let striker = &self.striker;
        let struck: Vec<Struck> = thread::scope(|threads| {
            let strikes = round.strikes.iter().map(|strike| {
                threads.spawn(move || {
                    thread::sleep(strike.at.saturating_sub(begun.elapsed()));
                    striker.strike(strike)
                })
            });
            let strikes: Vec<_> = strikes.collect();
            // Some faults last longer than planned; they are to meet with lines too.
            thread::sleep(length.saturating_sub(begun.elapsed()));
            let a_second = lines as f64 / length.as_secs_f64().max(1.0);
            while strikes.iter().any(|strike| !strike.is_finished()) {
                self.striker.sender.send((a_second * A_WHILE.as_secs_f64()) as u64, A_WHILE);
                thread::sleep(A_WHILE);
            }
            strikes
                .into_iter()
                .map(|strike| strike.join().unwrap_or_else(|panic| resume_unwind(panic)))
                .collect()
        });
        self.outcome.struck.extend(struck);
        self.stage().crew.assert_all_run();
        self.stage().cluster.assert_running();
    }

    /// Kills one worker and leaves its seat empty until all is drained.
    fn end_round(&mut self, last_seat: usize) -> Result<(), String> {
        let Striker { stage, sender, watch } = self.striker;
        if !last(Duration::ZERO, STUCK_AFTER, || sender.has_sent_all()) {
            return Err(format!("lines could not be pushed: {} were", sender.pushed()));
        }
        // So that something is in flight when it is killed.
        sender.send(self.lump, KILLED_WITHIN);
        let known = watch.deaths().len();
        stage.tell(format_args!("the last fault of the round: worker killed (seat {last_seat})"));
        let has_met = self.striker.kill_in_flight(last_seat);
        self.outcome.struck.push(Struck { fault: Fault::KillWorker { seat: last_seat }, has_met });
        let death = |is_over: fn(&Death) -> bool| watch.deaths().into_iter().nth(known).filter(is_over);

        if has_met && !last(Duration::ZERO, UNLEASED_WITHIN, || death(is_unleased).is_some()) {
            return Err("the lease of a killed worker did not run out".to_owned());
        }
        // Nobody has taken its slots over yet: the others are to be at full speed meanwhile.
        let unleased_at = Instant::now();
        let lines = self.lump + stage.depth();
        sender.send(self.lump, Duration::ZERO);
        let is_empty = || sender.has_sent_all() && stage.depth() == 0;
        if !last(Duration::ZERO, STUCK_AFTER, is_empty) {
            return Err(format!(
                "not drained {STUCK_AFTER:?} after the last fault: {}",
                stage.left_in_redis()
            ));
        }
        let drained = unleased_at.elapsed();
        last(Duration::ZERO, STUCK_AFTER, || stage.is_drained_by_the_living());
        let settled = unleased_at.elapsed();
        if !last(Duration::ZERO, STUCK_AFTER, || stage.is_drained()) {
            return Err(format!(
                "not taken over {STUCK_AFTER:?} after the last fault: {}",
                stage.left_in_redis()
            ));
        }
        // The watch looks now and then.
        last(Duration::ZERO, Duration::from_secs(1), || !has_met || death(is_taken_over).is_some());
        if let Some(death) = death(is_taken_over)
            && let Some(taken_over_at) = death.taken_over_at
        {
            let ending = Ending { taken_over: taken_over_at - death.at, drained, settled, lines };
            stage.tell(format_args!(
                "taken over after {:.1} s; {lines} lines drained {:.1} s after the last lease had run out, settled {:.1} s",
                ending.taken_over.as_secs_f64(),
                drained.as_secs_f64(),
                settled.as_secs_f64(),
            ));
            self.outcome.endings.push(ending);
        }
        self.striker.fill_seat(last_seat);
        Ok(())
    }
}

fn is_unleased(death: &Death) -> bool {
    death.unleased_at.is_some()
}

fn is_taken_over(death: &Death) -> bool {
    death.taken_over_at.is_some()
}

/// Holds the ends of the rounds against what was promised.
fn judge(outcome: &mut Outcome) {
    let speeds = outcome.endings.iter().map(Ending::speed);
    outcome.full_speed = speeds.fold(outcome.full_speed, f64::max);
    if outcome.endings.is_empty() {
        outcome.problems.push("no round ended with a take-over that could be timed".to_owned());
    }
    for ending in &outcome.endings {
        let Ending { taken_over, drained, settled, lines } = *ending;
        if taken_over > TAKEN_OVER_WITHIN {
            let problem =
                format!("a slot was taken over after {taken_over:?}, later than {TAKEN_OVER_WITHIN:?}");
            outcome.problems.push(problem);
        }
        let at_full_speed = lines as f64 / outcome.full_speed;
        let within = FULL_SPEED_WITHIN + Duration::from_secs_f64(at_full_speed * SLOWER_AT_MOST);
        if drained > within {
            outcome.problems.push(format!("drained {drained:?} after the last lease, later than {within:?}"));
        }
        if settled > within + SETTLED_WITHIN {
            outcome.problems.push(format!("a batch was still in flight {settled:?} after the last lease"));
        }
    }
}

/// Counts what came out.
fn check(
    stage: &Stage,
    lines: &Lines,
    sender: &Sender<'_>,
    watch: &Watch<'_>,
    delivery: Delivery,
    outcome: &mut Outcome,
) {
    let bootstrap = stage.cluster.bootstrap();
    match wait_until_committed(&bootstrap, &TOPICS, COMMITTED_WITHIN) {
        Some(held_back) => outcome.held_back = held_back,
        None => outcome.problems.push(format!("transactions are still open after {COMMITTED_WITHIN:?}")),
    }
    let mut ledger = Ledger::new(lines, sender.pushed());
    read_each(&bootstrap, &TOPICS, |message| ledger.add_message(&message.topic, &message.payload));
    queue::each_rejected(&mut stage.redis.connection(), |line| ledger.add_rejected(line));
    outcome.figures = ledger.figures();
    let left = watch.take_left();
    outcome.left = left.count();
    outcome.problems.extend(ledger.problems(delivery, &left));
}
