//! What stands in Redis, read beside the workers.

use std::collections::BTreeMap;
use std::time::Duration;

use redis::{Client, Commands, Connection, RedisResult};
use serde_json::Value;

use crate::harness;

pub const NAME: &str = "click_queue";
pub const INVALID: &str = "click_invalid";

/// Redis answers at once, or not at all because a fault has struck it.
const TIMEOUT: Duration = Duration::from_secs(10);

/// Workers are heard of every five seconds.
const HEARTBEAT_SECONDS: u64 = 7;

/// Connects; unlike the harness's own it may find Redis away.
pub fn connect(url: &str) -> RedisResult<Connection> {
    let connection = Client::open(url)?.get_connection_with_timeout(TIMEOUT)?;
    connection.set_read_timeout(Some(TIMEOUT))?;
    connection.set_write_timeout(Some(TIMEOUT))?;
    Ok(connection)
}

/// Batches in flight: `<slot>:<seq>`, and how often each was taken over.
pub fn batches(connection: &mut Connection) -> RedisResult<BTreeMap<String, u32>> {
    let entries: BTreeMap<String, String> = connection.hgetall(format!("{NAME}:batches"))?;
    let takeovers = |entry: &str| entry.split(' ').nth(3).and_then(|word| word.parse().ok()).unwrap_or(0);
    Ok(entries.into_iter().map(|(field, entry)| (field, takeovers(&entry))).collect())
}

pub fn slot_of(field: &str) -> &str {
    field.split(':').next().unwrap_or_default()
}

pub fn is_leased(connection: &mut Connection, slot: &str) -> RedisResult<bool> {
    connection.exists(format!("{NAME}:lease:{slot}"))
}

/// The lines of a batch.
pub fn lines(connection: &mut Connection, field: &str) -> RedisResult<Vec<Vec<u8>>> {
    let entry: Option<String> = connection.hget(format!("{NAME}:batches"), field)?;
    let Some(entry) = entry else { return Ok(Vec::new()) };
    let (list, from, to) = harness::range_of(&entry);
    connection.lrange(format!("{NAME}:inflight:{list}"), -(from as isize), -(to as isize) - 1)
}

pub fn depth(connection: &mut Connection) -> RedisResult<u64> {
    harness::waiting(connection, NAME)
}

/// The batches in the slots of a worker, as its last heartbeat tells. One that has not been heard of for a while may have
/// lost its slots: then nothing is known.
pub fn batches_of(connection: &mut Connection, process_id: i32) -> RedisResult<BTreeMap<String, u32>> {
    let workers: BTreeMap<String, String> = connection.hgetall(format!("{NAME}:workers"))?;
    let (now, _): (u64, u64) = redis::cmd("TIME").query(connection)?;
    let slots = workers.values().find_map(|said| {
        let (seen_at, heartbeat) = said.split_once(' ')?;
        let is_fresh = seen_at.parse::<u64>().ok()? + HEARTBEAT_SECONDS > now;
        let heartbeat: Value = serde_json::from_str(heartbeat).ok()?;
        (is_fresh && heartbeat["pid"] == process_id).then(|| heartbeat["slots"].clone())
    });
    let slots: Vec<String> =
        slots.iter().filter_map(Value::as_array).flatten().map(Value::to_string).collect();
    let mut found = batches(connection)?;
    found.retain(|field, _| slots.iter().any(|slot| slot == slot_of(field)));
    Ok(found)
}

/// The rejected lines as they were pushed, handed on one by one.
pub fn each_rejected(connection: &mut Connection, mut take: impl FnMut(&[u8])) {
    const AT_ONCE: isize = 5000;
    let mut from = 0;
    loop {
        let records: Vec<String> = connection.lrange(INVALID, from, from + AT_ONCE - 1).unwrap();
        if records.is_empty() {
            return;
        }
        from += AT_ONCE;
        for record in &records {
            take(&payload(record));
        }
    }
}

fn payload(record: &str) -> Vec<u8> {
    use base64::Engine as _;
    let record: Value = serde_json::from_str(record).unwrap();
    match (&record["payload"], &record["payload_base64"]) {
        (Value::String(text), _) => text.clone().into_bytes(),
        (_, Value::String(text)) => base64::engine::general_purpose::STANDARD.decode(text).unwrap(),
        _ => panic!("a record without a payload: {record}"),
    }
}
