//! What the holder of a slot may do. Each call may be repeated after an error: a second copy of it, however late,
//! changes nothing.

use std::sync::Arc;

use redis::{RedisError, ScriptInvocation, Value};
use tokio::time::Instant;

use super::batch::{AT_LEAST_ONCE, Batch, Entry, FORMAT, TOMBSTONE};
use super::lease::{Lease, lease_ms};
use super::scripts;
use super::server::{Link, Server};
use crate::payload::Reason;

/// Redis memory that one batch may take: copying more would block the trackers' pushes.
const BATCH_MAX_BYTES: usize = 8 * 1024 * 1024;
/// About how much is read, or written to the invalid list, by one call.
const CALL_BYTES: usize = 4 * 1024 * 1024;
/// Lines that one call rejects at most.
const CALL_LINES: usize = 1000;

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

/// A slot whose lease we hold.
pub struct Slot {
    link: Link,
    lease: Arc<Lease>,
    number: u64,
    next_seq: u64,
}

impl Slot {
    /// Leases the lowest slot that is free and holds no batches.
    ///
    /// # Errors
    /// When Redis does not answer as it should.
    pub async fn take(server: &Server) -> Result<Self, Error> {
        let mut link = server.link();
        let keys = server.keys().clone();
        let token = new_token();
        let taken_at = Instant::now();
        let (number, last_seq, redis_time_us): (u64, u64, u64) = link
            .run(
                scripts::TAKE_SLOT
                    .key(&keys.batches)
                    .key(&keys.seq)
                    .arg(keys.lease_prefix())
                    .arg(&token)
                    .arg(lease_ms()),
            )
            .await?;
        let lease = Arc::new(Lease::new(keys.lease(number), token, taken_at));
        // It never comes twice and never runs backwards, even where Redis forgot the last one.
        let next_seq = redis_time_us.max(last_seq + 1);
        Ok(Self { link, lease, number, next_seq })
    }

    /// Takes over a slot that was left with batches in it, and gives those in the order they were reserved; nothing
    /// where another was quicker, or where they are in a form that this release does not know.
    ///
    /// # Errors
    /// When Redis does not answer as it should.
    pub async fn take_over(server: &Server, number: u64) -> Result<Option<(Self, Vec<Batch>)>, Error> {
        let mut link = server.link();
        let keys = server.keys().clone();
        let token = new_token();
        let taken_at = Instant::now();
        let answer: Vec<String> = link
            .run(
                scripts::TAKE_OVER
                    .key(&keys.batches)
                    .key(keys.lease(number))
                    .arg(number)
                    .arg(&token)
                    .arg(lease_ms())
                    .arg(FORMAT)
                    .arg(AT_LEAST_ONCE),
            )
            .await?;
        let Some(("ok", found)) = answer.split_first().map(|(status, found)| (status.as_str(), found)) else {
            return Ok(None);
        };
        let mut batches = Vec::new();
        for batch in found.chunks_exact(3) {
            batches.push(Batch {
                slot: number,
                seq: batch[0].parse().map_err(|_| Error::Answer(batch[0].clone()))?,
                len: 0,
                bytes: 0,
                entry: parse_entry(&batch[1])?,
                convicted: batch[2].parse().ok(),
            });
        }
        let lease = Arc::new(Lease::new(keys.lease(number), token, taken_at));
        // A slot that was taken over is released when it is empty: nothing is reserved in it.
        Ok(Some((Self { link, lease, number, next_seq: u64::MAX }, batches)))
    }

    pub fn number(&self) -> u64 {
        self.number
    }

    pub fn lease(&self) -> &Arc<Lease> {
        &self.lease
    }

    pub fn server(&self) -> &Server {
        self.link.server()
    }

    /// Reserves the first lines of the queue, `batch_size` at most.
    ///
    /// # Errors
    /// When the lease is lost or Redis does not answer; a batch that was reserved all the same comes with the next call.
    pub async fn reserve(&mut self, batch_size: usize) -> Result<Reservation, Error> {
        loop {
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
                .arg(self.lease.token())
                .arg(self.number)
                .arg(seq)
                .arg(batch_size)
                .arg(BATCH_MAX_BYTES)
                .arg(FORMAT)
                .arg(AT_LEAST_ONCE);
            let answer = self.call(&script).await?;
            match status(&answer) {
                "empty" => return Ok(Reservation::Empty),
                "paused" => return Ok(Reservation::Paused),
                "stale" => self.next_seq += 1,
                _ => {
                    let (_, len, bytes, entry): (String, usize, usize, String) = from_values(answer)?;
                    // Only now: until an answer has come, the same seq must be asked for again.
                    self.next_seq += 1;
                    let entry = parse_entry(&entry)?;
                    let batch = Batch { slot: self.number, seq, len, bytes, entry, convicted: None };
                    return Ok(Reservation::Batch(batch));
                }
            }
        }
    }

    /// Reads the lines of a batch with their places in it; rejected ones are left out.
    ///
    /// # Errors
    /// When Redis does not answer.
    pub async fn read(&mut self, batch: &Batch) -> Result<Vec<(usize, Vec<u8>)>, Error> {
        let key = self.server().keys().inflight(&batch.field());
        let (mut len, mut bytes) = (batch.len, batch.bytes);
        if len == 0 {
            let mut pipeline = redis::pipe();
            pipeline.llen(&key).cmd("MEMORY").arg("USAGE").arg(&key).arg("SAMPLES").arg(0);
            let found: (usize, Option<usize>) = self.link.query(&pipeline).await?;
            (len, bytes) = (found.0, found.1.unwrap_or_default());
        }
        let calls = bytes / CALL_BYTES + 1;
        let lines_a_call = len.div_ceil(calls).max(1);
        let mut lines = Vec::with_capacity(len);
        while lines.len() < len {
            let first = lines.len();
            let last = (first + lines_a_call).min(len) - 1;
            let mut pipeline = redis::pipe();
            pipeline.lrange(&key, index(first), index(last));
            let (range,): (Vec<Vec<u8>>,) = self.link.query(&pipeline).await?;
            if range.is_empty() {
                break;
            }
            lines.extend(range);
        }
        Ok(lines.into_iter().enumerate().filter(|(_, line)| line != TOMBSTONE).collect())
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
                .key(keys.inflight(&batch.field()))
                .key(&keys.invalid)
                .key(self.lease.key())
                .key(&keys.totals)
                .arg(self.lease.token())
                .arg(TOMBSTONE)
                .arg(bounds.lines)
                .arg(bounds.bytes);
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

    /// Forgets a batch that has been delivered: `topics` says how many of its lines went to each topic.
    ///
    /// # Errors
    /// When the lease is lost or Redis does not answer.
    pub async fn acknowledge(&mut self, batch: &Batch, topics: &[(String, u64)]) -> Result<(), Error> {
        let keys = self.server().keys().clone();
        let field = batch.field();
        let mut script = scripts::ACKNOWLEDGE.prepare_invoke();
        script
            .key(keys.inflight(&field))
            .key(&keys.batches)
            .key(self.lease.key())
            .key(&keys.totals)
            .key(&keys.topics)
            .arg(self.lease.token())
            .arg(&field);
        for (topic, lines) in topics {
            script.arg(topic).arg(lines);
        }
        self.call(&script).await?;
        Ok(())
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
        let field = batch.field();
        let mut script = scripts::GIVE_BACK.prepare_invoke();
        script
            .key(&keys.queue)
            .key(keys.inflight(&field))
            .key(&keys.batches)
            .key(self.lease.key())
            .arg(self.lease.token())
            .arg(&field)
            .arg(TOMBSTONE);
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

/// Nobody else can guess or repeat it.
fn new_token() -> String {
    format!("{:032x}", rand::random::<u128>())
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

fn index(place: usize) -> isize {
    isize::try_from(place).expect("no batch holds so many lines")
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
