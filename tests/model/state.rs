//! Everything at one moment, and what becomes of it.

use super::kafka::{Kafka, Request};
use super::lane::{Lane, Move, Step};
use super::names;
use super::protocol::{Faults, Protocol, Rule};
use super::redis::{Answer, Redis, Script, Token};

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct State {
    pub redis: Redis,
    pub kafka: Kafka,
    pub workers: Vec<Worker>,
    /// Calls that stayed unanswered, in no order: each may still be carried out.
    pub late: Vec<Call>,
    /// Faults that may still come.
    pub faults: Faults,
    /// A worker stood still until its lease had run out.
    pub has_lapsed: bool,
    /// A lane sent lines of a slot that another holds.
    pub has_trespassed: bool,
}

/// One lane a worker is enough: two lanes of one worker get in each other's way as two workers do.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub struct Worker {
    pub lane: Option<Lane>,
    pub is_paused: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Call {
    Redis(Token, Script),
    Kafka(usize, Request),
}

impl State {
    /// Whether a slot that nobody holds has batches in it.
    pub fn has_left_slot(&self) -> bool {
        (0..self.redis.slots.len()).any(|slot| self.is_left(slot))
    }

    pub fn is_left(&self, slot: usize) -> bool {
        let keys = &self.redis.slots[slot];
        keys.lease.is_none() && !keys.batches.is_empty() && !self.is_held(slot)
    }

    /// Whether a lane believes that it holds the slot, rightly or because it does not know better yet.
    pub fn is_held(&self, slot: usize) -> bool {
        self.lanes().any(|lane| lane.slot == slot && !lane.has_lost_lease)
    }

    /// Whether someone at work believes that he holds the slot: in the time that a lease takes to run out, he finds out.
    pub fn is_looked_after(&self, slot: usize) -> bool {
        let at_work = self.workers.iter().filter(|worker| !worker.is_paused);
        let mut lanes = at_work.filter_map(|worker| worker.lane.as_ref());
        lanes.any(|lane| lane.slot == slot && !lane.has_lost_lease)
    }

    pub fn lanes(&self) -> impl Iterator<Item = &Lane> {
        self.workers.iter().filter_map(|worker| worker.lane.as_ref())
    }

    pub fn starts(&self, protocol: &Protocol) -> Vec<Script> {
        let mut starts = Vec::new();
        if !self.redis.queue.is_empty() {
            starts.push(Script::TakeSlot);
        }
        for (slot, keys) in self.redis.slots.iter().enumerate() {
            let is_left = match protocol.keeps(Rule::WaitsForTheOwner) {
                true => self.is_left(slot),
                false => keys.lease.is_none() && !keys.batches.is_empty(),
            };
            if is_left {
                starts.push(Script::TakeOver { slot });
            }
        }
        starts
    }

    pub fn start(&mut self, protocol: &Protocol, worker: usize, script: Script) {
        let token = names::new_token(self);
        self.workers[worker].lane = match (self.redis.run(protocol, token, script), script) {
            (Answer::Slot { slot, next_seq }, _) => Some(Lane::new(protocol, token, slot, next_seq)),
            (Answer::Batches(seqs), Script::TakeOver { slot }) => {
                Some(Lane::recovering(protocol, token, slot, seqs))
            }
            _ => None,
        };
    }

    /// A lane does something; nothing is left of one that is done.
    pub fn step(&mut self, protocol: &Protocol, worker: usize, what: Move) {
        let Some(mut lane) = self.workers[worker].lane.take() else { return };
        match what {
            Move::Run(script) => {
                let answer = self.redis.run(protocol, lane.token, script);
                lane.hear(protocol, script, &answer);
            }
            Move::Ask(request) => {
                let reply = self.kafka.run(lane.slot, request);
                lane.hear_kafka(protocol, request, reply);
            }
            Move::ReadStored => lane.hear_stored(protocol, self.kafka.stored(lane.slot)),
            Move::Look => lane.hear_of_batches(protocol, self.redis.slots[lane.slot].batches.keys().copied()),
            Move::Read { seq, bad } => {
                let lines = self.redis.read(lane.slot, seq);
                lane.judge(protocol, seq, lines, bad);
            }
            Move::ProduceRefused { line } => lane.refused(line),
            Move::End => lane.end(protocol),
            Move::Destroy => lane.destroy(),
        }
        self.workers[worker].lane = Some(lane).filter(|lane| lane.step != Step::Gone);
    }

    pub fn miss(&mut self, protocol: &Protocol, worker: usize, what: Move) {
        let Some(mut lane) = self.workers[worker].lane.take() else { return };
        match what {
            Move::Run(script) => {
                self.leave(Call::Redis(lane.token, script));
                lane.miss(protocol, script);
            }
            Move::Ask(request) => {
                self.leave(Call::Kafka(lane.slot, request));
                lane.miss_kafka(protocol, request);
            }
            _ => {}
        }
        self.workers[worker].lane = Some(lane).filter(|lane| lane.step != Step::Gone);
    }

    pub fn leave(&mut self, call: Call) {
        self.late.push(call);
        self.late.sort_unstable();
    }

    pub fn carry_out(&mut self, protocol: &Protocol, call: Call) {
        match call {
            Call::Redis(token, script) => {
                self.redis.run(protocol, token, script);
            }
            Call::Kafka(slot, request) => {
                self.kafka.run(slot, request);
            }
        }
    }

    pub fn deliver(&mut self, worker: usize, is_refused: bool) {
        let Some(lane) = &mut self.workers[worker].lane else { return };
        let Some((place, line)) = lane.outgoing() else { return };
        lane.sent(place, line, is_refused);
        let holder = self.redis.slots[lane.slot].lease;
        self.has_trespassed |= !self.has_lapsed && holder.is_some_and(|holder| holder != lane.token);
        if !is_refused {
            self.kafka.seen.add(line);
        }
    }

    /// He may come back later, and must then not believe in his lease any more.
    pub fn lapse(&mut self, worker: usize) {
        let Some(lane) = &mut self.workers[worker].lane else { return };
        lane.has_lost_lease = true;
        self.has_lapsed = true;
        let lease = &mut self.redis.slots[lane.slot].lease;
        if *lease == Some(lane.token) {
            *lease = None;
        }
    }

    pub fn restart_redis(&mut self) {
        for slot in &mut self.redis.slots {
            slot.lease = None;
        }
        for lane in self.workers.iter_mut().filter_map(|worker| worker.lane.as_mut()) {
            lane.has_to_look = !lane.only_finishes;
        }
        // A connection does not outlive it, nor what was under way on it.
        self.late.retain(|call| matches!(call, Call::Kafka(..)));
    }

    /// Whether a transaction is open that its producer does not come back to soon.
    pub fn times_out(&self, slot: usize) -> bool {
        self.kafka.is_open(slot) && !self.is_looked_after(slot)
    }
}
