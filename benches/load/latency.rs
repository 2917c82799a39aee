//! How long from a push until the message can be read in Kafka, with a tracker and a consumer at work.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use crate::contender::{AT_LEAST_ONCE, Contender, EXACTLY_ONCE, Settings, stop};
use crate::reader::Reader;
use crate::sender::{Pace, Sender};
use crate::servers::Servers;
use crate::statistics::percentile;

/// Parts of the highest rate.
const SHARES: [f64; 3] = [0.01, 0.1, 0.5];
const TOP_WARM_UP: Duration = Duration::from_secs(10);
const TOP_TIME: Duration = Duration::from_secs(15);
const WARM_UP: Duration = Duration::from_secs(3);
const TIME: Duration = Duration::from_secs(20);
/// When nothing comes for so long, and nothing is left in Redis, a step has left nothing behind.
const DRAIN: Duration = Duration::from_secs(1);
const LOOK: Duration = Duration::from_millis(20);

/// One way of delivering.
pub struct Latency {
    pub delivery: &'static str,
    /// Lines a second that went through at most, with sender and reader on the same machine.
    pub top_rate: f64,
    pub steps: Vec<Step>,
}

/// One rate.
pub struct Step {
    /// Of the highest rate.
    pub share: f64,
    /// Lines a second that were read.
    pub rate: f64,
    /// Microseconds, in order.
    latencies: Vec<u32>,
}

impl Step {
    fn new(share: f64, time: Duration, mut latencies: Vec<u32>) -> Step {
        assert!(!latencies.is_empty(), "nothing was read");
        latencies.sort_unstable();
        Step { share, rate: latencies.len() as f64 / time.as_secs_f64(), latencies }
    }

    /// Returns the milliseconds within which this share of the messages could be read.
    pub fn milliseconds(&self, share: f64) -> f64 {
        f64::from(percentile(&self.latencies, share)) / 1000.0
    }
}

/// Measures both ways of delivering, one after the other.
pub fn both(servers: &mut Servers, settings: &Settings) -> Vec<Latency> {
    [AT_LEAST_ONCE, EXACTLY_ONCE].map(|delivery| measure(servers, delivery, settings)).into()
}

fn measure(servers: &mut Servers, delivery: &'static str, settings: &Settings) -> Latency {
    servers.empty_topics();
    let worker = Contender::worker(delivery).start(servers, settings);
    let mut sender = Sender::new(servers.redis[0].connection());
    let reader = Reader::new(&servers.kafka);
    let mut step = |share, pace, warm_up, time| {
        let step = Step::new(share, time, while_sending(&mut sender, &reader, pace, warm_up, time));
        // The next step is to find nothing of this one.
        while servers.waiting() > 0 || !servers.is_acknowledged() || !reader.read(DRAIN).is_empty() {
            std::thread::sleep(LOOK);
        }
        let (rate, median, late) = (step.rate, step.milliseconds(0.5), step.milliseconds(0.99));
        eprintln!("{delivery}, {rate:.0} lines a second: {median:.1} ms, 99th percentile {late:.1} ms");
        step
    };
    let top_rate = step(1.0, Pace::AsTaken, TOP_WARM_UP, TOP_TIME).rate;
    let steps = SHARES.map(|share| step(share, Pace::Steady(top_rate * share), WARM_UP, TIME)).into();
    stop(worker);
    Latency { delivery, top_rate, steps }
}

/// Reads for this time after the warm-up, while lines are sent.
fn while_sending(
    sender: &mut Sender,
    reader: &Reader,
    pace: Pace,
    warm_up: Duration,
    time: Duration,
) -> Vec<u32> {
    let is_over = AtomicBool::new(false);
    std::thread::scope(|threads| {
        threads.spawn(|| sender.send(pace, &is_over));
        reader.read(warm_up);
        let latencies = reader.read(time);
        is_over.store(true, Ordering::Relaxed);
        latencies
    })
}
