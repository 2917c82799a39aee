//! Pushes numbered lines straight to Redis, each exactly once, whatever becomes of Redis meanwhile.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{LazyLock, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use redis::{Connection, RedisResult, Script};

use crate::lines::Lines;
use crate::queue;

/// Lines are pushed in waves of this many at least, so that several batches are in flight, and of this many at most.
const WAVE: u64 = 2000;
const MOST: u64 = 4000;
const PAUSE: Duration = Duration::from_millis(10);

static PUSH: LazyLock<Script> = LazyLock::new(|| Script::new(include_str!("push.lua")));

pub struct Sender<'a> {
    lines: &'a Lines,
    redis_url: String,
    pace: Mutex<Pace>,
    pushed: AtomicU64,
    refused: AtomicU64,
    is_done: AtomicBool,
}

/// From one number to another, evenly over a time.
#[derive(Clone, Copy)]
struct Pace {
    from: u64,
    to: u64,
    since: Instant,
    over: Duration,
}

impl Pace {
    /// How many lines are to be pushed by now.
    fn due(&self) -> u64 {
        let share = self.since.elapsed().as_secs_f64() / self.over.as_secs_f64().max(f64::MIN_POSITIVE);
        self.from + ((self.to - self.from) as f64 * share.min(1.0)) as u64
    }
}

impl<'a> Sender<'a> {
    pub fn new(lines: &'a Lines, redis_url: String) -> Self {
        let pace = Pace { from: 0, to: 0, since: Instant::now(), over: Duration::ZERO };
        Self {
            lines,
            redis_url,
            pace: Mutex::new(pace),
            pushed: AtomicU64::new(0),
            refused: AtomicU64::new(0),
            is_done: AtomicBool::new(false),
        }
    }

    /// Has so many more lines pushed; what was asked for before and has not been pushed yet comes along.
    pub fn send(&self, lines: u64, over: Duration) {
        let mut pace = self.pace.lock().unwrap();
        *pace = Pace { from: self.pushed(), to: pace.to + lines, since: Instant::now(), over };
    }

    /// Lines that Redis has taken.
    pub fn pushed(&self) -> u64 {
        self.pushed.load(Ordering::Acquire)
    }

    /// Whether Redis has taken all that was to be sent.
    pub fn has_sent_all(&self) -> bool {
        self.pushed() == self.pace.lock().unwrap().to
    }

    /// How often Redis refused to take more.
    pub fn refused(&self) -> u64 {
        self.refused.load(Ordering::Relaxed)
    }

    /// Makes `run` return.
    pub fn finish(&self) {
        self.is_done.store(true, Ordering::Relaxed);
    }

    pub fn run(&self) {
        let mut connection = None;
        // A wave that was not answered may have been taken: it is pushed again as it was, whatever is due by then.
        let mut unanswered = None;
        while !self.is_done.load(Ordering::Relaxed) {
            let from = self.pushed();
            let Some(to) = unanswered.or_else(|| self.next_wave(from)) else {
                thread::sleep(PAUSE);
                continue;
            };
            unanswered = Some(to);
            match self.push(&mut connection, from, to) {
                Ok(pushed) => {
                    assert_eq!(pushed, to, "redis has forgotten lines, or counted others");
                    self.pushed.store(pushed, Ordering::Release);
                    unanswered = None;
                }
                Err(error) => {
                    if error.code() == Some("OOM") {
                        self.refused.fetch_add(1, Ordering::Relaxed);
                    } else {
                        connection = None;
                    }
                    thread::sleep(PAUSE);
                }
            }
        }
    }

    /// Up to which line the next wave goes, if it is time for one.
    fn next_wave(&self, from: u64) -> Option<u64> {
        let pace = *self.pace.lock().unwrap();
        let due = pace.due();
        let is_time = due >= from + WAVE || due == pace.to;
        (due > from && is_time).then_some(due.min(from + MOST))
    }

    fn push(&self, connection: &mut Option<Connection>, from: u64, to: u64) -> RedisResult<u64> {
        let connection = match connection {
            Some(connection) => connection,
            None => connection.insert(queue::connect(&self.redis_url)?),
        };
        let mut script = PUSH.key(queue::NAME);
        script.key("pushed").arg(from);
        for number in from..to {
            script.arg(self.lines.line(number));
        }
        script.invoke(connection)
    }
}
