//! Looks at Redis all the time: which batches were left by their owners, and how soon they are taken over.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use redis::{Connection, RedisResult};

use crate::ledger::Numbers;
use crate::lines::Lines;
use crate::queue::{self, slot_of};

/// A slot is taken over after it was seen without a lease for 15 seconds, so none is missed.
const LOOK: Duration = Duration::from_millis(100);

pub struct Watch<'a> {
    lines: &'a Lines,
    redis_url: String,
    seen: Mutex<Seen>,
    is_done: AtomicBool,
}

#[derive(Default)]
struct Seen {
    left: Numbers,
    left_batches: BTreeSet<String>,
    deaths: Vec<Death>,
}

/// What a worker left in flight that was killed.
#[derive(Clone, Debug)]
pub struct Death {
    pub at: Instant,
    /// With the take-overs that each had seen before. None where all was acknowledged with its last breath.
    batches: BTreeMap<String, u32>,
    /// When the last of its leases ran out.
    pub unleased_at: Option<Instant>,
    /// When the last of its batches was taken over.
    pub taken_over_at: Option<Instant>,
}

impl<'a> Watch<'a> {
    pub fn new(lines: &'a Lines, redis_url: String) -> Self {
        Self { lines, redis_url, seen: Mutex::default(), is_done: AtomicBool::new(false) }
    }

    /// Makes `run` return.
    pub fn finish(&self) {
        self.is_done.store(true, Ordering::Relaxed);
    }

    pub fn run(&self) {
        let mut connection = None;
        while !self.is_done.load(Ordering::Relaxed) {
            if self.look(&mut connection).is_err() {
                connection = None;
            }
            thread::sleep(LOOK);
        }
    }

    /// A worker has been killed that had these batches in flight.
    pub fn add_death(&self, at: Instant, batches: BTreeMap<String, u32>) {
        let death = Death { at, batches, unleased_at: None, taken_over_at: None };
        self.seen.lock().unwrap().deaths.push(death);
    }

    pub fn deaths(&self) -> Vec<Death> {
        self.seen.lock().unwrap().deaths.clone()
    }

    /// Hands over the lines of all batches that were seen without a lease: these may come twice.
    pub fn take_left(&self) -> Numbers {
        std::mem::take(&mut self.seen.lock().unwrap().left)
    }

    fn look(&self, connection: &mut Option<Connection>) -> RedisResult<()> {
        let connection = match connection {
            Some(connection) => connection,
            None => connection.insert(queue::connect(&self.redis_url)?),
        };
        let batches = queue::batches(connection)?;
        let slots: BTreeSet<&str> = batches.keys().map(|field| slot_of(field)).collect();
        let mut unleased = BTreeSet::new();
        for slot in slots {
            if !queue::is_leased(connection, slot)? {
                unleased.insert(slot);
            }
        }
        let mut seen = self.seen.lock().unwrap();
        for field in batches.keys().filter(|field| unleased.contains(slot_of(field))) {
            if seen.left_batches.contains(field) {
                continue;
            }
            for line in queue::lines(connection, field)? {
                // A tombstone is no line.
                if let Some(number) = self.lines.number_of_line(&line) {
                    seen.left.insert(number);
                }
            }
            seen.left_batches.insert(field.clone());
        }
        for death in seen.deaths.iter_mut().filter(|death| death.taken_over_at.is_none()) {
            follow(death, &batches, &unleased);
        }
        Ok(())
    }
}

fn follow(death: &mut Death, batches: &BTreeMap<String, u32>, unleased: &BTreeSet<&str>) {
    let now = Instant::now();
    let is_waiting = |(field, before): (&String, &u32)| batches.get(field) == Some(before);
    if death.unleased_at.is_none() {
        death.batches.retain(|field, before| batches.get(field) == Some(before));
        let is_unleased = |field: &String| unleased.contains(slot_of(field));
        if !death.batches.is_empty() && death.batches.keys().all(is_unleased) {
            death.unleased_at = Some(now);
        }
    } else if !death.batches.iter().any(is_waiting) {
        death.taken_over_at = Some(now);
    }
}
