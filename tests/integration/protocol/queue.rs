//! The scripts as a slot calls them, on a queue `q`.

use redis::{Commands, Connection, Value};

use crate::harness;

const EIGHT_MIB: u64 = 8 * 1024 * 1024;
pub const TOMBSTONE: &str = "\0kafkastore:rejected";

/// A queue `q` in a database of its own.
pub struct Queue {
    pub connection: Connection,
    /// The random name of the database, as the last one to take a slot was told.
    pub id: String,
}

macro_rules! script {
    ($($file:literal),+) => {
        redis::Script::new(concat!($(include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/src/queue/scripts/", $file, ".lua"))),+))
    };
}

impl Queue {
    pub fn with_lines(lines: u64) -> Self {
        let mut connection = harness::connect(&harness::redis().fresh_database());
        for number in 0..lines {
            let _: u64 = connection.rpush("q", format!("line {number}")).unwrap();
        }
        Self { connection, id: String::new() }
    }

    /// Gives the slot.
    pub fn take_slot(&mut self, token: &str) -> u64 {
        let (slot, _, _, id): (u64, String, String, String) = script!("take_slot")
            .key("q:batches")
            .key("q:seq")
            .key("q:id")
            .arg("q:lease:")
            .arg(token)
            .arg(15_000)
            .arg(format!("id of {token}"))
            .invoke(&mut self.connection)
            .unwrap();
        self.id = id;
        slot
    }

    pub fn reserve(&mut self, token: &str, slot: u64, seq: u64, size: u64) -> Result<Vec<Value>, String> {
        script!("lines", "reserve")
            .key("q")
            .key(format!("q:inflight:{slot}:{seq}"))
            .key("q:batches")
            .key("q:seq")
            .key("q:paused")
            .key(format!("q:lease:{slot}"))
            .key("q:id")
            .key("q:rest")
            .arg(token)
            .arg(&self.id)
            .arg(slot)
            .arg(seq)
            .arg(size)
            .arg(EIGHT_MIB)
            .arg(2)
            .arg("at-least-once")
            .arg("q:inflight:")
            .invoke(&mut self.connection)
            .map_err(|error| error.to_string())
    }

    pub fn reserve_status(&mut self, token: &str, slot: u64, seq: u64) -> String {
        first(&self.reserve(token, slot, seq, 3).unwrap())
    }

    pub fn reject(&mut self, token: &str, field: &str, index: u64) -> Vec<Value> {
        script!("lines", "reject")
            .key("invalid")
            .key("q:lease:0")
            .key("q:stats:totals")
            .key("q:batches")
            .arg(token)
            .arg(TOMBSTONE)
            .arg(100)
            .arg(100_000)
            .arg(field)
            .arg("q:inflight:")
            .arg(index)
            .arg("ip")
            .arg(format!("record {index}"))
            .invoke(&mut self.connection)
            .unwrap()
    }

    pub fn acknowledge(&mut self, token: &str, field: &str) -> String {
        let answer: Vec<Value> = script!("lines", "acknowledge")
            .key("q:batches")
            .key("q:lease:0")
            .key("q:stats:totals")
            .key("q:stats:topics")
            .key("q:stats:bytes")
            .key("q:rest")
            .arg(token)
            .arg(field)
            .arg("q:inflight:")
            .arg("clicks")
            .arg(2)
            .arg(200)
            .invoke(&mut self.connection)
            .unwrap();
        first(&answer)
    }

    pub fn take_over(&mut self, slot: u64, token: &str) -> Vec<String> {
        script!("take_over")
            .key("q:batches")
            .key(format!("q:lease:{slot}"))
            .key("q:id")
            .arg(slot)
            .arg(token)
            .arg(15_000)
            .arg(format!("id of {token}"))
            .arg("q:inflight:")
            .arg(2)
            .arg("at-least-once")
            .arg("exactly-once")
            .invoke(&mut self.connection)
            .unwrap()
    }

    pub fn suspect(&mut self, token: &str, field: &str, line: &str) {
        let _: Vec<String> = script!("suspect")
            .key("q:batches")
            .key("q:lease:0")
            .arg(token)
            .arg(field)
            .arg(line)
            .invoke(&mut self.connection)
            .unwrap();
    }

    pub fn renew(&mut self, token: &str) -> String {
        script!("renew").key("q:lease:0").arg(token).arg(15_000).invoke(&mut self.connection).unwrap()
    }

    pub fn give_back(&mut self, token: &str, field: &str) -> (String, u64, u64) {
        script!("lines", "give_back")
            .key("q")
            .key("q:batches")
            .key("q:lease:0")
            .key("q:rest")
            .arg(token)
            .arg(field)
            .arg(TOMBSTONE)
            .arg("q:inflight:")
            .invoke(&mut self.connection)
            .unwrap()
    }

    /// Says whether there is more to do.
    pub fn put_back(&mut self, beside_batches: bool) -> bool {
        script!("lines", "put_back")
            .key("q")
            .key("q:rest")
            .key("q:batches")
            .arg("q:inflight:")
            .arg(TOMBSTONE)
            .arg(u8::from(beside_batches))
            .invoke(&mut self.connection)
            .unwrap()
    }

    /// The list that a batch is a range of, and the range.
    pub fn range_of(&mut self, field: &str) -> (String, u64, u64) {
        let entry: String = self.connection.hget("q:batches", field).unwrap();
        let (list, from, to) = harness::range_of(&entry);
        (format!("q:inflight:{list}"), from, to)
    }

    /// The lines of a batch.
    pub fn batch(&mut self, field: &str) -> Vec<String> {
        let (list, from, to) = self.range_of(field);
        self.connection.lrange(list, -(from as isize), -(to as isize) - 1).unwrap()
    }

    pub fn waiting(&mut self) -> u64 {
        harness::waiting(&mut self.connection, "q").unwrap()
    }

    pub fn list(&mut self, key: &str) -> Vec<String> {
        self.connection.lrange(key, 0, -1).unwrap()
    }

    pub fn end_lease(&mut self) {
        let _: u64 = self.connection.del("q:lease:0").unwrap();
    }
}

pub fn first(answer: &[Value]) -> String {
    redis::from_redis_value_ref(&answer[0]).unwrap()
}

pub(super) use script;
