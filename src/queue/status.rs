//! How full everything is, read without writing anything; and the workers' signs of life.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::batch::{Entry, Range, from_end};
use super::scripts;
use super::server::Link;
use crate::payload::Payload;

/// A worker that has not been heard of for this many seconds is forgotten.
const FORGET_AFTER_SECONDS: u64 = 60;
/// One that was heard of within this many seconds lives.
pub const FRESH_SECONDS: i64 = 15;

/// What one worker says of itself every few seconds.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Heartbeat {
    pub version: String,
    pub host: String,
    pub pid: u32,
    /// Seconds since 1970.
    pub started_at: i64,
    /// The slots that its lanes hold.
    pub slots: Vec<u64>,
}

/// A worker as the last heartbeat showed it.
#[derive(Debug, Clone, Serialize)]
pub struct Worker {
    pub id: String,
    /// Seconds since that heartbeat.
    pub last_heartbeat: i64,
    #[serde(flatten)]
    pub said: Heartbeat,
}

/// One server's lists.
#[derive(Debug, Clone, Serialize)]
pub struct Status {
    /// Host, port and database.
    pub server: String,
    /// Redis's clock, in seconds since 1970.
    #[serde(skip)]
    pub now: i64,
    pub queue: String,
    /// Lines that wait.
    pub depth: u64,
    /// Lines that were reserved and are not acknowledged yet.
    pub in_flight: u64,
    /// Lines in the invalid list.
    pub invalid: u64,
    /// Seconds since the event at the head of the queue; nothing when the queue is empty or its head unreadable.
    pub oldest_seconds: Option<i64>,
    pub is_paused: bool,
    /// Lines delivered since the counters began.
    pub delivered: u64,
    /// Lines rejected since the counters began, by reason.
    pub rejected: BTreeMap<String, u64>,
    pub workers: Vec<Worker>,
}

/// Reads the status of one server.
///
/// # Errors
/// When Redis does not answer as it should.
pub async fn read(link: &mut Link) -> Result<Status, redis::RedisError> {
    let keys = link.server().keys().clone();
    let mut pipeline = redis::pipe();
    pipeline
        .llen(&keys.queue)
        .llen(&keys.invalid)
        .lindex(&keys.queue, 0)
        .exists(&keys.paused)
        // After the queue and before the batches: a line that is reserved meanwhile may count twice, never not at all.
        .get(&keys.rest)
        .hvals(&keys.batches)
        .hgetall(&keys.workers)
        .hgetall(&keys.totals)
        .cmd("TIME");
    type Answer = (
        u64,
        u64,
        Option<Vec<u8>>,
        bool,
        Option<String>,
        Vec<String>,
        BTreeMap<String, String>,
        BTreeMap<String, u64>,
        (i64, i64),
    );
    let (queued, invalid, mut head, is_paused, rest, entries, workers, totals, (now, _)): Answer =
        link.query(&pipeline).await?;
    let rest: Option<Range> = rest.and_then(|rest| rest.parse().ok());
    if let Some(rest) = &rest {
        let mut pipeline = redis::pipe();
        pipeline.lindex(keys.inflight(&rest.list), from_end(rest.from));
        (head,) = link.query(&pipeline).await?;
    }
    let entries = entries.iter().filter_map(|entry| entry.parse::<Entry>().ok());
    let in_flight = entries.map(|entry| entry.lines.count() as u64).sum();
    let depth = queued + rest.map_or(0, |rest| rest.count() as u64);
    let epoch = head.and_then(|line| Some(Payload::parse(&line, &None).ok()?.epoch));
    let rejected = totals
        .iter()
        .filter_map(|(name, &lines)| Some((name.strip_prefix("invalid:")?.to_owned(), lines)))
        .collect();
    Ok(Status {
        server: link.server().name().to_owned(),
        now,
        queue: keys.queue.clone(),
        depth,
        in_flight,
        invalid,
        oldest_seconds: epoch.map(|epoch| now.saturating_sub(epoch).max(0)),
        is_paused,
        delivered: totals.get("delivered").copied().unwrap_or_default(),
        rejected,
        workers: workers.iter().filter_map(|(id, said)| worker(id, said, now)).collect(),
    })
}

fn worker(id: &str, said: &str, now: i64) -> Option<Worker> {
    let (seen_at, json) = said.split_once(' ')?;
    let last_heartbeat = now.saturating_sub(seen_at.parse().ok()?).max(0);
    Some(Worker { id: id.to_owned(), last_heartbeat, said: serde_json::from_str(json).ok()? })
}

impl Status {
    /// Whether a worker said within the last seconds that it lives.
    pub fn has_living_worker(&self) -> bool {
        self.living_workers() > 0
    }

    /// How many workers said so.
    pub fn living_workers(&self) -> usize {
        self.workers.iter().filter(|worker| worker.last_heartbeat <= FRESH_SECONDS).count()
    }
}

/// Says that a worker lives.
///
/// # Errors
/// When Redis does not answer.
pub async fn beat(link: &mut Link, id: &str, heartbeat: &Heartbeat) -> Result<(), redis::RedisError> {
    let said = serde_json::to_string(heartbeat).expect("strings and numbers");
    let workers = link.server().keys().workers.clone();
    link.run(scripts::HEARTBEAT.key(workers).arg(id).arg(said).arg(FORGET_AFTER_SECONDS)).await
}

/// Takes a worker that stops off the list.
///
/// # Errors
/// When Redis does not answer.
pub async fn retire(link: &mut Link, id: &str) -> Result<(), redis::RedisError> {
    let workers = link.server().keys().workers.clone();
    link.run(scripts::RETIRE.key(workers).arg(id)).await
}

/// Makes workers stop reserving, or go on; says whether that changed anything.
///
/// # Errors
/// When Redis does not answer.
pub async fn set_paused(link: &mut Link, is_paused: bool) -> Result<bool, redis::RedisError> {
    let paused = link.server().keys().paused.clone();
    link.run(scripts::PAUSE.key(paused).arg(u8::from(is_paused))).await
}
