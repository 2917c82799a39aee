//! What can happen next, of itself or as a fault, and what comes of it.

use stateright::{Model, Property};

use super::kafka::{Kafka, Request};
use super::lane::{Lane, Move, Step};
use super::names;
use super::properties;
use super::protocol::Protocol;
use super::redis::{Redis, Script};
use super::state::{Call, State, Worker};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Action {
    /// A worker without a lane calls for a slot.
    Start(usize, Script),
    Move(usize, Move),
    /// The producer hands the next line to Kafka.
    Deliver(usize),
    /// Kafka refuses it.
    Refuse(usize),
    /// Kafka shows what has been committed.
    Complete(usize),
    /// Kafka ends a transaction that takes too long.
    TimeOut(usize),
    /// Time passes for one who stands still.
    Lapse(usize),
    /// A lease that nobody renews runs out.
    Expire(usize),
    GoOn(usize),
    /// A call that stayed unanswered is carried out.
    Late(usize),

    Crash(usize),
    Pause(usize),
    Stop(usize),
    UnansweredStart(Script),
    Unanswered(usize, Move),
    RestartRedis,
    ForgetSeqs,
    ForgetOffsets,
}

impl State {
    /// What happens of itself.
    pub fn progress(&self, protocol: &Protocol, actions: &mut Vec<Action>) {
        for (number, worker) in self.workers.iter().enumerate() {
            let Some(lane) = &worker.lane else {
                actions.extend(self.starts(protocol).into_iter().map(|script| Action::Start(number, script)));
                continue;
            };
            if worker.is_paused {
                if !lane.has_lost_lease && !self.is_looked_after(lane.slot) {
                    actions.push(Action::Lapse(number));
                }
                continue;
            }
            let moves = lane.moves(protocol, self);
            actions.extend(moves.into_iter().map(|what| Action::Move(number, what)));
            if let Some((_, line)) = lane.outgoing().filter(|_| !protocol.is_exactly_once()) {
                actions.push(Action::Deliver(number));
                if protocol.fickle == Some(line) {
                    actions.push(Action::Refuse(number));
                }
            }
        }
        for (slot, keys) in self.redis.slots.iter().enumerate() {
            if keys.lease.is_some() && !self.is_held(slot) {
                actions.push(Action::Expire(slot));
            }
            if self.kafka.is_committing(slot) {
                actions.push(Action::Complete(slot));
            }
            if self.times_out(slot) {
                actions.push(Action::TimeOut(slot));
            }
        }
    }

    /// What may go wrong, or come late or never.
    fn trouble(&self, protocol: &Protocol, actions: &mut Vec<Action>) {
        let paused = self.workers.iter().enumerate().filter(|(_, worker)| worker.is_paused);
        actions.extend(paused.map(|(number, _)| Action::GoOn(number)));
        actions.extend((0..self.late.len()).map(Action::Late));
        if self.faults.in_all > 0 {
            self.faults(protocol, actions);
        }
    }

    fn faults(&self, protocol: &Protocol, actions: &mut Vec<Action>) {
        for (number, worker) in self.workers.iter().enumerate() {
            if self.faults.crashes > 0 && worker.lane.is_some() {
                actions.push(Action::Crash(number));
            }
            if self.faults.pauses > 0 && worker.lane.is_some() && !worker.is_paused {
                actions.push(Action::Pause(number));
            }
            let may_stop =
                |lane: &Lane| !lane.has_lost_lease && !matches!(lane.step, Step::Destroy | Step::Release);
            if self.faults.stops > 0 && !worker.is_paused && worker.lane.as_ref().is_some_and(may_stop) {
                actions.push(Action::Stop(number));
            }
        }
        if self.faults.unanswered > 0 {
            let mut progress = Vec::new();
            self.progress(protocol, &mut progress);
            actions.extend(progress.into_iter().filter_map(|action| match action {
                Action::Start(_, script) => Some(Action::UnansweredStart(script)),
                Action::Move(worker, what @ (Move::Run(_) | Move::Ask(_))) => {
                    Some(Action::Unanswered(worker, what))
                }
                _ => None,
            }));
        }
        let once = [
            (self.faults.restarts, Action::RestartRedis),
            (self.faults.forgotten_seqs, Action::ForgetSeqs),
            (self.faults.forgotten_offsets, Action::ForgetOffsets),
        ];
        actions.extend(once.into_iter().filter(|(left, _)| *left > 0).map(|(_, action)| action));
    }
}

impl Model for Protocol {
    type State = State;
    type Action = Action;

    fn init_states(&self) -> Vec<State> {
        vec![State {
            redis: Redis::with_lines(self.lines),
            kafka: Kafka::default(),
            workers: vec![Worker::default(); self.workers],
            late: Vec::new(),
            faults: self.faults,
            has_lapsed: false,
            has_trespassed: false,
        }]
    }

    fn actions(&self, state: &State, actions: &mut Vec<Action>) {
        state.progress(self, actions);
        state.trouble(self, actions);
    }

    fn next_state(&self, before: &State, action: Action) -> Option<State> {
        let mut state = before.clone();
        match action {
            Action::Start(worker, script) => state.start(self, worker, script),
            Action::Move(worker, what) => state.step(self, worker, what),
            Action::Deliver(worker) => state.deliver(worker, false),
            Action::Refuse(worker) => state.deliver(worker, true),
            Action::Complete(slot) => state.kafka.complete(slot),
            Action::TimeOut(slot) => {
                state.kafka.run(slot, Request::Initialise);
            }
            Action::Lapse(worker) => state.lapse(worker),
            Action::Expire(slot) => state.redis.slots[slot].lease = None,
            Action::GoOn(worker) => state.workers[worker].is_paused = false,
            Action::Late(index) => {
                let call = state.late.remove(index);
                state.carry_out(self, call);
            }
            Action::Crash(worker) => {
                state.faults.use_up(|faults| &mut faults.crashes);
                state.workers[worker].lane = None;
                state.workers[worker].is_paused = false;
            }
            Action::Pause(worker) => {
                state.faults.use_up(|faults| &mut faults.pauses);
                state.workers[worker].is_paused = true;
            }
            Action::Stop(worker) => {
                state.faults.use_up(|faults| &mut faults.stops);
                state.step(self, worker, Move::End);
            }
            Action::UnansweredStart(script) => {
                state.faults.use_up(|faults| &mut faults.unanswered);
                state.leave(Call::Redis(names::new_token(&state), script));
            }
            Action::Unanswered(worker, what) => {
                state.faults.use_up(|faults| &mut faults.unanswered);
                state.miss(self, worker, what);
            }
            Action::RestartRedis => {
                state.faults.use_up(|faults| &mut faults.restarts);
                state.restart_redis();
            }
            Action::ForgetSeqs => {
                state.faults.use_up(|faults| &mut faults.forgotten_seqs);
                state.redis.slots.iter_mut().for_each(|slot| slot.last_seq = 0);
            }
            Action::ForgetOffsets => {
                state.faults.use_up(|faults| &mut faults.forgotten_offsets);
                state.kafka.slots.iter_mut().for_each(|slot| slot.stored = None);
            }
        }
        names::renew(&mut state);
        (state != *before).then_some(state)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        properties::of(self)
    }
}
