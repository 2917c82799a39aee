//! What the holder of a slot may do. Each call may be repeated after an error: a second copy of it, however late,
//! changes nothing.

use std::collections::BTreeSet;
use std::sync::Arc;

use redis::{RedisError, ScriptInvocation, Value};

use super::batch::{Batch, Delivery, Entry, FORMAT, TOMBSTONE};
use super::lease::Lease;
use super::scripts;
use super::server::{Link, Server};
use crate::payload::Reason;

mod read;
mod take;

/// About how much a batch may have: lines can be 100 kB, and a worker holds several batches.
const BATCH_MAX_BYTES: usize = 8 * 1024 * 1024;
/// About how much is written to the invalid list by one call.
const CALL_BYTES: usize = 4 * 1024 * 1024;
/// Lines that one call rejects at most: Redis goes through half the list to each.
const CALL_LINES: usize = 250;

#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("the lease was lost")]
    LeaseLost,
    #[error("{0}")]
    Redis(#[from] RedisError),
    #[error("redis gave an answer that is none: {0}")]
    Answer(String),
}

/// What came of asking for lines.
#[derive(Debug)]
pub enum Reservation {
    Batch(Batch),
    Empty,
    Paused,
    /// Redis came back as another, or with batches in this slot that its holder knows nothing of, or another lane was
    /// in it meanwhile. Nothing more is reserved: once the slot is given up they are found by recovery.
    Strange,
}

/// A line of a batch that goes to the invalid list.
#[derive(Debug, Clone)]
pub struct Rejected {
    /// Where it stands in the batch.
    pub index: usize,
    pub reason: Reason,
    /// What the invalid list gets, one JSON object.
    pub record: String,
}

/// What one call of [`Slot::reject`] did.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub struct Moved {
    pub lines: u64,
    /// Oldest lines of the invalid list that had to go.
    pub dropped: u64,
}

/// What of a batch went to one topic.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TopicCount {
    /// With its prefix.
    pub topic: String,
    pub lines: u64,
    pub bytes: u64,
}

/// What tells that Redis may have forgotten something since.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
struct Age {
    connects: u64,
    times_forgotten: u64,
}

/// A slot whose lease we hold.
pub struct Slot {
    link: Link,
    lease: Arc<Lease>,
    number: u64,
    installation: String,
    next_seq: u64,
    /// Batches that were reserved and are not acknowledged yet.
    held: BTreeSet<u64>,
    /// When it was last seen that the slot holds nothing else.
    seen_sound_at: Age,
}

impl Slot {
    pub fn number(&self) -> u64 {
        self.number
    }

    /// The random name of the database that the slot is in.
    pub fn installation(&self) -> &str {
        &self.installation
    }

    /// The seq before that of the first batch; nothing where batches are in flight.
    pub fn start(&self) -> Option<u64> {
        self.held.is_empty().then(|| self.next_seq - 1)
    }

    /// Lets no batch have `seq` or one before it.
    pub fn pass(&mut self, seq: u64) {
        self.next_seq = self.next_seq.max(seq + 1);
    }

    pub fn lease(&self) -> &Arc<Lease> {
        &self.lease
    }

    pub fn server(&self) -> &Server {
        self.link.server()
    }

    /// Reserves the next lines of the queue, `batch_size` at most.
    ///
    /// # Errors
    /// When the lease is lost or Redis does not answer; a batch that was reserved all the same comes with the next call.
    pub async fn reserve(&mut self, batch_size: usize, mode: Delivery) -> Result<Reservation, Error> {
        if !self.is_sound().await? {
            return Ok(Reservation::Strange);
        }
        let keys = self.server().keys().clone();
        let seq = self.next_seq;
        let mut script = scripts::RESERVE.prepare_invoke();
        script
            .key(&keys.queue)
            .key(keys.inflight(&format!("{}:{seq}", self.number)))
            .key(&keys.batches)
            .key(&keys.seq)
            .key(&keys.paused)
            .key(self.lease.key())
            .key(&keys.id)
            .key(&keys.rest)
            .arg(self.lease.token())
            .arg(&self.installation)
            .arg(self.number)
            .arg(seq)
            .arg(batch_size)
            .arg(BATCH_MAX_BYTES)
            .arg(FORMAT)
            .arg(mode.as_str())
            .arg(keys.inflight_prefix());
        let answer = self.call(&script).await?;
        match status(&answer) {
            "empty" => Ok(Reservation::Empty),
            "paused" => Ok(Reservation::Paused),
            // Stale: another was in the slot, and our seqs lie behind his by as many microseconds as he came later.
            "strange" | "stale" => Ok(Reservation::Strange),
            _ => {
                let (_, entry): (String, String) = from_values(answer)?;
                // Only now: until an answer has come, the same seq must be asked for again.
                self.next_seq += 1;
                self.held.insert(seq);
                let entry = parse_entry(&entry)?;
                Ok(Reservation::Batch(Batch { slot: self.number, seq, entry, convicted: None }))
            }
        }
    }

    /// Moves lines of a batch to the invalid list; those that were moved before are passed over.
    ///
    /// # Errors
    /// When the lease is lost or Redis does not answer.
    pub async fn reject(&mut self, batch: &Batch, lines: &[Rejected]) -> Result<Moved, Error> {
        let keys = self.server().keys().clone();
        let bounds = self.server().bounds();
        let mut moved = Moved::default();
        let mut rest = lines;
        while !rest.is_empty() {
            let (now, later) = rest.split_at(lines_in_a_call(rest));
            rest = later;
            let mut script = scripts::REJECT.prepare_invoke();
            script
                .key(&keys.invalid)
                .key(self.lease.key())
                .key(&keys.totals)
                .key(&keys.batches)
                .arg(self.lease.token())
                .arg(TOMBSTONE)
                .arg(bounds.lines)
                .arg(bounds.bytes)
                .arg(batch.field())
                .arg(keys.inflight_prefix());
            for line in now {
                script.arg(line.index).arg(line.reason.as_str()).arg(&line.record);
            }
            let answer = self.call(&script).await?;
            if status(&answer) == "ok" {
                let (_, lines, dropped): (String, u64, u64) = from_values(answer)?;
                moved.lines += lines;
                moved.dropped += dropped;
            }
        }
        Ok(moved)
    }

    /// Forgets a batch that has been delivered: `topics` says how many of its lines and bytes went to each topic.
    ///
    /// # Errors
    /// When the lease is lost or Redis does not answer.
    pub async fn acknowledge(&mut self, batch: &Batch, topics: &[TopicCount]) -> Result<(), Error> {
        let keys = self.server().keys().clone();
        let mut script = scripts::ACKNOWLEDGE.prepare_invoke();
        script
            .key(&keys.batches)
            .key(self.lease.key())
            .key(&keys.totals)
            .key(&keys.topics)
            .key(&keys.topic_bytes)
            .key(&keys.rest)
            .arg(self.lease.token())
            .arg(batch.field())
            .arg(keys.inflight_prefix());
        for count in topics {
            script.arg(&count.topic).arg(count.lines).arg(count.bytes);
        }
        self.call(&script).await?;
        self.held.remove(&batch.seq);
        Ok(())
    }

    fn age(&self) -> Age {
        Age { connects: self.link.connects(), times_forgotten: self.lease.times_forgotten() }
    }

    /// Whether the slot holds nothing but what its holder has reserved. Looks only after the connection or the lease was
    /// lost: Redis may have been restarted, and may have forgotten what it had acknowledged.
    async fn is_sound(&mut self) -> Result<bool, Error> {
        self.link.connection().await?;
        if self.age() == self.seen_sound_at {
            return Ok(true);
        }
        // While the lease is ours, nobody comes into the slot after the look.
        self.lease.renew(&mut self.link).await?;
        if self.lease.is_lost() {
            return Err(Error::LeaseLost);
        }
        let age = self.age();
        let mut pipeline = redis::pipe();
        pipeline.hkeys(&self.server().keys().batches);
        let (fields,): (Vec<String>,) = self.link.query(&pipeline).await?;
        let in_this_slot = fields.iter().filter_map(|field| {
            let (slot, seq) = field.split_once(':')?;
            (slot.parse() == Ok(self.number)).then(|| seq.parse::<u64>().ok())?
        });
        // The answer to an earlier copy of the call that comes next may have been lost. But where another may have been
        // in the slot, it may as well be his.
        let was_left = age.times_forgotten != self.seen_sound_at.times_forgotten;
        let may_be_next = |seq| seq == self.next_seq && !was_left;
        let is_sound = in_this_slot.into_iter().all(|seq| may_be_next(seq) || self.held.contains(&seq));
        if is_sound {
            self.seen_sound_at = age;
        }
        Ok(is_sound)
    }

    /// Puts on record which line is enriched next, or (`None`) that all are.
    ///
    /// # Errors
    /// When the lease is lost or Redis does not answer.
    pub async fn suspect(&mut self, batch: &Batch, line: Option<usize>) -> Result<(), Error> {
        let keys = self.server().keys().clone();
        let mut script = scripts::SUSPECT.prepare_invoke();
        script
            .key(&keys.batches)
            .key(self.lease.key())
            .arg(self.lease.token())
            .arg(batch.field())
            .arg(line.map_or_else(|| "-".to_owned(), |line| line.to_string()));
        self.call(&script).await?;
        Ok(())
    }

    /// Which of `topics` this installation has delivered to before.
    ///
    /// # Errors
    /// When Redis does not answer.
    pub async fn delivered_before(&mut self, topics: &[String]) -> Result<Vec<bool>, Error> {
        let key = self.server().keys().topics.clone();
        let mut pipeline = redis::pipe();
        for topic in topics {
            pipeline.hexists(&key, topic);
        }
        Ok(self.link.query(&pipeline).await?)
    }

    /// Puts what is left of a batch back at the head of the queue, in its order; gives the number of lines.
    ///
    /// # Errors
    /// When the lease is lost or Redis does not answer.
    pub async fn give_back(&mut self, batch: &Batch) -> Result<u64, Error> {
        let keys = self.server().keys().clone();
        let mut script = scripts::GIVE_BACK.prepare_invoke();
        script
            .key(&keys.queue)
            .key(&keys.batches)
            .key(self.lease.key())
            .key(&keys.rest)
            .arg(self.lease.token())
            .arg(batch.field())
            .arg(TOMBSTONE)
            .arg(keys.inflight_prefix());
        let mut total = 0;
        loop {
            let (_, given, left): (String, u64, u64) = from_values(self.call(&script).await?)?;
            total += given;
            if left == 0 {
                return Ok(total);
            }
        }
    }

    /// Gives the slot up. Batches that are still in it are found by recovery.
    ///
    /// # Errors
    /// When Redis does not answer: the lease then runs out by itself.
    pub async fn release(mut self) -> Result<(), Error> {
        let mut script = scripts::RELEASE.prepare_invoke();
        script.key(self.lease.key()).arg(self.lease.token());
        self.lease.lose();
        Ok(self.link.run(&script).await?)
    }

    /// Runs a script that looks at the lease first. A lease that is merely absent, because Redis forgot it, is set again.
    async fn call(&mut self, script: &ScriptInvocation<'_>) -> Result<Vec<Value>, Error> {
        loop {
            if self.lease.is_lost() {
                return Err(Error::LeaseLost);
            }
            let answer: Vec<Value> = self.link.run(script).await?;
            match status(&answer) {
                "lost" => self.lease.lose(),
                "absent" => self.lease.renew(&mut self.link).await?,
                _ => return Ok(answer),
            }
        }
    }
}

fn parse_entry(text: &str) -> Result<Entry, Error> {
    text.parse().map_err(|error: super::batch::NoEntry| Error::Answer(error.to_string()))
}

fn status(answer: &[Value]) -> &str {
    match answer.first() {
        Some(Value::BulkString(word)) => std::str::from_utf8(word).unwrap_or_default(),
        _ => "",
    }
}

fn from_values<T: redis::FromRedisValue>(values: Vec<Value>) -> Result<T, Error> {
    redis::from_redis_value(Value::Array(values)).map_err(|error| Error::Answer(error.to_string()))
}

/// How many of `lines` one call takes: at least one.
fn lines_in_a_call(lines: &[Rejected]) -> usize {
    let mut bytes = 0;
    lines
        .iter()
        .take(CALL_LINES)
        .take_while(|line| {
            let is_first = bytes == 0;
            bytes += line.record.len();
            is_first || bytes <= CALL_BYTES
        })
        .count()
}
