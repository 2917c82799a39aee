//! Whatever the scripts are called for in whatever order, each line stands where it should, and Redis holds no other.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use proptest::prelude::*;
use redis::Commands;

use super::queue::{Queue, first};
use crate::harness;

#[derive(Debug, Clone)]
enum Call {
    Push(u64),
    Reserve(u64),
    /// What follows is done to a batch, by its number among those in flight.
    Reject {
        batch: usize,
        index: u64,
    },
    Acknowledge(usize),
    GiveBack(usize),
    PutBack {
        beside_batches: bool,
    },
}

fn call() -> impl Strategy<Value = Call> {
    prop_oneof![
        3 => (1..200_u64).prop_map(Call::Push),
        1 => (1000..1500_u64).prop_map(Call::Push),
        5 => (1..60_u64).prop_map(Call::Reserve),
        2 => (any::<usize>(), 0..60_u64).prop_map(|(batch, index)| Call::Reject { batch, index }),
        4 => any::<usize>().prop_map(Call::Acknowledge),
        1 => any::<usize>().prop_map(Call::GiveBack),
        1 => any::<bool>().prop_map(|beside_batches| Call::PutBack { beside_batches }),
    ]
}

/// What should stand in Redis; in a batch nothing stands for a line that was rejected.
#[derive(Default)]
struct Expected {
    queue: VecDeque<u64>,
    rest: VecDeque<u64>,
    batches: BTreeMap<u64, VecDeque<Option<u64>>>,
    lines: u64,
    last_seq: u64,
}

struct Pair {
    redis: Queue,
    expected: Expected,
}

impl Pair {
    fn new() -> Self {
        let mut redis = Queue::with_lines(0);
        redis.take_slot("a");
        Self { redis, expected: Expected::default() }
    }

    fn field(seq: u64) -> String {
        format!("0:{seq}")
    }

    fn carry_out(&mut self, call: &Call) {
        match *call {
            Call::Push(lines) => {
                let lines = Vec::from_iter(self.expected.lines..self.expected.lines + lines);
                let _: u64 = self.redis.connection.rpush("q", &lines).unwrap();
                self.expected.lines += lines.len() as u64;
                self.expected.queue.extend(lines);
            }
            Call::Reserve(size) => self.reserve(size),
            Call::PutBack { beside_batches } => {
                let has_more = self.redis.put_back(beside_batches);
                let rest = self.redis.waiting() - self.redis.list("q").len() as u64;
                assert!(!has_more || rest > 0);
                self.expected.put_back(rest as usize);
            }
            Call::Reject { batch, index } => {
                if let Some(seq) = self.expected.seq_of(batch) {
                    self.reject(seq, index);
                }
            }
            Call::Acknowledge(batch) | Call::GiveBack(batch) => {
                if let Some(seq) = self.expected.seq_of(batch) {
                    self.end(seq, matches!(call, Call::GiveBack(_)));
                }
            }
        }
    }

    fn reserve(&mut self, size: u64) {
        let Expected { queue, rest, batches, last_seq, .. } = &mut self.expected;
        if rest.is_empty() {
            rest.append(queue);
        }
        let lines: VecDeque<_> = rest.drain(..rest.len().min(size as usize)).map(Some).collect();
        let status = first(&self.redis.reserve("a", 0, *last_seq + 1, size).unwrap());
        assert_eq!(status, if lines.is_empty() { "empty" } else { "batch" });
        if !lines.is_empty() {
            *last_seq += 1;
            batches.insert(*last_seq, lines);
        }
    }

    fn reject(&mut self, seq: u64, index: u64) {
        assert_eq!(first(&self.redis.reject("a", &Self::field(seq), index)), "ok");
        if let Some(line) = self.expected.batches.get_mut(&seq).unwrap().get_mut(index as usize) {
            *line = None;
        }
    }

    fn end(&mut self, seq: u64, is_given_back: bool) {
        let lines = self.expected.batches.remove(&seq).unwrap();
        if is_given_back {
            let given = lines.iter().flatten().count() as u64;
            assert_eq!(self.redis.give_back("a", &Self::field(seq)), ("ok".to_owned(), given, 0));
            for line in lines.into_iter().rev().flatten() {
                self.expected.queue.push_front(line);
            }
        } else {
            assert_eq!(self.redis.acknowledge("a", &Self::field(seq)), "ok");
        }
    }

    fn compare(&mut self) {
        let redis = &mut self.redis;
        let numbers =
            |lines: Vec<String>| -> Vec<Option<u64>> { lines.iter().map(|line| line.parse().ok()).collect() };
        let some = |lines: &VecDeque<u64>| -> Vec<Option<u64>> { lines.iter().copied().map(Some).collect() };
        assert_eq!(numbers(redis.list("q")), some(&self.expected.queue));
        assert_eq!(redis.waiting(), (self.expected.queue.len() + self.expected.rest.len()) as u64);

        let mut records: Vec<String> = redis.connection.hvals("q:batches").unwrap();
        records.extend(redis.connection.get::<_, Option<String>>("q:rest").unwrap());
        assert_eq!(records.len(), self.expected.batches.len() + usize::from(!self.expected.rest.is_empty()));
        // How much of each list is needed is how much there is.
        let mut needed: BTreeMap<String, u64> = BTreeMap::new();
        for record in &records {
            let (list, from, _) = harness::range_of(record);
            let needed = needed.entry(format!("q:inflight:{list}")).or_default();
            *needed = from.max(*needed);
        }
        let lists: BTreeSet<String> = redis.connection.keys("q:inflight:*").unwrap();
        assert!(lists.iter().eq(needed.keys()), "{lists:?}, {needed:?}");
        for (list, needed) in needed {
            assert_eq!(redis.connection.llen::<_, u64>(&list).unwrap(), needed, "{list}");
        }
        for (seq, lines) in &self.expected.batches {
            assert_eq!(numbers(redis.batch(&Self::field(*seq))), Vec::from_iter(lines.iter().copied()));
        }
    }
}

impl Expected {
    fn seq_of(&self, batch: usize) -> Option<u64> {
        self.batches.keys().nth(batch.checked_rem(self.batches.len())?).copied()
    }

    /// Until the rest has so many lines: some of them become the head of the queue, or some of the queue join them.
    fn put_back(&mut self, rest: usize) {
        while self.rest.len() > rest {
            self.queue.push_front(self.rest.pop_back().unwrap());
        }
        while self.rest.len() < rest {
            self.rest.push_back(self.queue.pop_front().unwrap());
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(100) })]

    #[test]
    fn each_line_stands_where_it_should(calls in prop::collection::vec(call(), 1..60)) {
        let mut pair = Pair::new();
        for call in &calls {
            pair.carry_out(call);
            pair.compare();
        }
    }
}
