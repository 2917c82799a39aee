//! Redis: the keys, and what each script does to them.

use std::collections::BTreeMap;

use super::lines::{Count, Line, Lines};
use super::protocol::{Protocol, Rule};

pub type Seq = u8;

/// Tells one taking of a slot from every other.
pub type Token = u8;

/// How far the clock goes on between two lanes: no lane uses so many seqs.
const SEQS_BETWEEN: Seq = 8;

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Redis {
    /// First the lowest.
    pub queue: Lines,
    pub slots: Vec<Slot>,
    /// The time, as far as seqs go.
    clock: Seq,
    /// How often each line stands in the invalid list.
    pub invalid: Count,
}

/// What Redis knows of one slot.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub struct Slot {
    pub lease: Option<Token>,
    pub last_seq: Seq,
    /// Batches in flight, without lines that left a tombstone.
    pub batches: BTreeMap<Seq, Lines>,
}

/// A script as it is called.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Script {
    TakeSlot,
    TakeOver { slot: usize },
    Renew { slot: usize },
    Reserve { slot: usize, seq: Seq },
    Reject { slot: usize, seq: Seq, lines: Lines },
    Acknowledge { slot: usize, seq: Seq },
    Release { slot: usize },
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    Ok,
    /// A slot, and the first seq for it.
    Slot {
        slot: usize,
        next_seq: Seq,
    },
    Batches(Vec<Seq>),
    /// Nothing to do: the queue is empty, the batch is gone, another was quicker.
    Nothing,
    /// The seq is not above the last.
    Stale,
    /// Nobody holds the lease.
    Absent,
    /// Another holds it.
    Lost,
}

impl Redis {
    pub fn with_lines(lines: u8) -> Self {
        Self { queue: Lines::first(lines), slots: Vec::new(), clock: 0, invalid: Count::default() }
    }

    /// Carries a script out.
    pub fn run(&mut self, protocol: &Protocol, token: Token, script: Script) -> Answer {
        match script {
            Script::TakeSlot => self.take_slot(protocol, token),
            Script::TakeOver { slot } => self.take_over(token, slot),
            Script::Renew { slot } => self.renew(token, slot),
            Script::Reserve { slot, seq } => self.reserve(protocol, token, slot, seq),
            Script::Reject { slot, seq, lines } => self.reject(protocol, token, (slot, seq), lines),
            Script::Acknowledge { slot, seq } => self.acknowledge(protocol, token, slot, seq),
            Script::Release { slot } => self.release(token, slot),
        }
    }

    fn take_slot(&mut self, protocol: &Protocol, token: Token) -> Answer {
        let is_empty = |slot: &Slot| slot.batches.is_empty() || !protocol.keeps(Rule::TakesAnEmptySlot);
        let free = self.slots.iter().position(|slot| slot.lease.is_none() && is_empty(slot));
        let slot = free.unwrap_or(self.slots.len());
        if slot == self.slots.len() {
            self.slots.push(Slot::default());
        }
        self.slots[slot].lease = Some(token);
        if protocol.has_clock {
            self.clock += SEQS_BETWEEN;
        }
        Answer::Slot { slot, next_seq: self.clock.max(self.slots[slot].last_seq + 1) }
    }

    fn take_over(&mut self, token: Token, slot: usize) -> Answer {
        let slot = &mut self.slots[slot];
        if slot.lease.is_some() || slot.batches.is_empty() {
            return Answer::Nothing;
        }
        slot.lease = Some(token);
        Answer::Batches(slot.batches.keys().copied().collect())
    }

    fn renew(&mut self, token: Token, slot: usize) -> Answer {
        let lease = &mut self.slots[slot].lease;
        if lease.is_some_and(|holder| holder != token) {
            return Answer::Lost;
        }
        *lease = Some(token);
        Answer::Ok
    }

    fn reserve(&mut self, protocol: &Protocol, token: Token, slot: usize, seq: Seq) -> Answer {
        if let Some(refused) = self.slots[slot].refuses(token) {
            return refused;
        }
        let slot = &mut self.slots[slot];
        if slot.batches.contains_key(&seq) {
            return Answer::Ok;
        }
        if seq <= slot.last_seq && protocol.keeps(Rule::OldSeqIsRefused) {
            return Answer::Stale;
        }
        if self.queue.is_empty() {
            return Answer::Nothing;
        }
        slot.batches.insert(seq, self.queue.take_lowest(protocol.batch_size));
        slot.last_seq = seq;
        Answer::Ok
    }

    fn reject(
        &mut self,
        protocol: &Protocol,
        token: Token,
        (slot, seq): (usize, Seq),
        lines: Lines,
    ) -> Answer {
        let looks = protocol.keeps(Rule::RejectLooksAtTheLease);
        if let Some(refused) = self.slots[slot].refuses(token).filter(|_| looks) {
            return refused;
        }
        let Some(batch) = self.slots[slot].batches.get_mut(&seq) else { return Answer::Nothing };
        for line in lines.iter() {
            if batch.remove(line) || !protocol.keeps(Rule::RejectsOnce) {
                self.invalid.add(line);
            }
        }
        Answer::Ok
    }

    fn acknowledge(&mut self, protocol: &Protocol, token: Token, slot: usize, seq: Seq) -> Answer {
        let looks = protocol.keeps(Rule::AcknowledgeLooksAtTheLease);
        if let Some(refused) = self.slots[slot].refuses(token).filter(|_| looks) {
            return refused;
        }
        match self.slots[slot].batches.remove(&seq) {
            Some(_) => Answer::Ok,
            None => Answer::Nothing,
        }
    }

    fn release(&mut self, token: Token, slot: usize) -> Answer {
        let lease = &mut self.slots[slot].lease;
        if *lease == Some(token) {
            *lease = None;
        }
        Answer::Ok
    }

    /// The lines of a batch that were not rejected.
    pub fn read(&self, slot: usize, seq: Seq) -> Lines {
        self.slots[slot].batches.get(&seq).copied().unwrap_or_default()
    }

    pub fn is_in_flight(&self, line: Line) -> bool {
        self.slots.iter().flat_map(|slot| slot.batches.values()).any(|lines| lines.contains(line))
    }
}

impl Slot {
    /// What a script that wants the lease says to one who does not hold it.
    fn refuses(&self, token: Token) -> Option<Answer> {
        match self.lease {
            None => Some(Answer::Absent),
            Some(holder) if holder != token => Some(Answer::Lost),
            Some(_) => None,
        }
    }
}
