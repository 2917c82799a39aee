//! A tracker: pushes made-up lines that say when they were pushed.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use kafkastore::sample::{Mix, Sample};
use redis::{Commands, Connection};

use crate::servers::QUEUE;

/// Digits of a time in microseconds since 1970, until the year 2286.
pub const STAMP_DIGITS: usize = 16;
const STAMP_NAME: &[u8] = b"&at=";
/// Fields before the parameters: address, time, topic, path.
const FIELDS_BEFORE_PARAMETERS: usize = 4;
/// As many as give each user agent its share.
const LINES: usize = 50_000;
const TICK: Duration = Duration::from_millis(5);
const LINES_A_PUSH: usize = 1000;
/// Enough for every lane of a worker that delivers exactly once to fill its batches.
const MOST_WAITING: u64 = 100_000;

#[derive(Clone, Copy)]
pub enum Pace {
    /// So many lines a second, whatever becomes of them.
    Steady(f64),
    /// As many as workers take.
    AsTaken,
}

/// Microseconds since 1970.
pub fn micros() -> u64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("it is later than 1970");
    u64::try_from(now.as_micros()).expect("microseconds fit")
}

/// Lines made beforehand, which are pushed over and over: to make one takes longer than to push it.
pub struct Sender {
    connection: Connection,
    lines: Vec<Line>,
    next: usize,
}

struct Line {
    bytes: Vec<u8>,
    stamp: usize,
}

impl Sender {
    pub fn new(connection: Connection) -> Sender {
        let mut sample = Sample::new(1, Mix::default());
        let epoch = micros() / 1_000_000;
        Sender { connection, lines: (0..LINES).map(|_| line(&mut sample, epoch)).collect(), next: 0 }
    }

    /// Sends until it is told to stop.
    pub fn send(&mut self, pace: Pace, is_over: &AtomicBool) {
        let (started_at, mut sent) = (Instant::now(), 0);
        let mut next = started_at;
        while !is_over.load(Ordering::Relaxed) {
            match pace {
                Pace::Steady(rate) => {
                    let due = (started_at.elapsed().as_secs_f64() * rate) as u64;
                    while sent < due {
                        let most =
                            usize::try_from(due - sent).map_or(LINES_A_PUSH, |left| left.min(LINES_A_PUSH));
                        sent += self.push(most).0;
                    }
                    next += TICK;
                    std::thread::sleep(next.saturating_duration_since(Instant::now()));
                }
                Pace::AsTaken => {
                    let mut waiting = self.push(LINES_A_PUSH).1;
                    while waiting > MOST_WAITING {
                        std::thread::sleep(Duration::from_millis(1));
                        waiting = self.connection.llen(QUEUE).expect("redis answers");
                    }
                }
            }
        }
    }

    /// Pushes lines in one call; returns how many, and how many wait now.
    fn push(&mut self, most: usize) -> (u64, u64) {
        let end = (self.next + most).min(LINES);
        let lines = &mut self.lines[self.next..end];
        self.next = if end == LINES { 0 } else { end };
        let stamp = format!("{:016}", micros());
        for line in lines.iter_mut() {
            line.bytes[line.stamp..][..STAMP_DIGITS].copy_from_slice(stamp.as_bytes());
        }
        let bytes: Vec<&[u8]> = lines.iter().map(|line| line.bytes.as_slice()).collect();
        let waiting = self.connection.rpush(QUEUE, &bytes).expect("redis answers");
        (bytes.len() as u64, waiting)
    }
}

/// A line of the sample with room for the stamp at the end of its parameters.
fn line(sample: &mut Sample, epoch: u64) -> Line {
    let mut bytes = Vec::with_capacity(512);
    sample.write_line(epoch, &mut bytes);
    let mut spaces = bytes.iter().enumerate().filter(|(_, byte)| **byte == b' ').map(|(place, _)| place);
    let end = spaces.nth(FIELDS_BEFORE_PARAMETERS).expect("a made-up line has parameters and a user agent");
    bytes.splice(end..end, STAMP_NAME.iter().copied().chain([b'0'; STAMP_DIGITS]));
    Line { bytes, stamp: end + STAMP_NAME.len() }
}
