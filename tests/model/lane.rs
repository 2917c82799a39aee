//! A lane: what it knows, and what it does next.

use super::kafka::{Epoch, Request};
use super::lines::{Line, Lines};
use super::protocol::{Protocol, Rule};
use super::redis::{Script, Seq, Slot, Token};
use super::state::State;

mod answers;
mod shipment;

use shipment::{Shipment, Stage};

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Lane {
    pub token: Token,
    pub slot: usize,
    /// It finishes what it has, as one does who has taken a slot over, and reserves nothing.
    pub only_finishes: bool,
    /// Redis was restarted, and another may have been in the slot since.
    pub has_to_look: bool,
    pub has_lost_lease: bool,
    pub step: Step,
    next_seq: Seq,
    /// A reservation stays unanswered, so that nobody knows whether it was carried out.
    is_asking: bool,
    pub epoch: Epoch,
    /// Batches under way, in the order in which they are sent.
    pub shipments: Vec<Shipment>,
    /// The stored seq, read too early; only where that rule is left out.
    read_early: Option<Option<Seq>>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Step {
    /// Fenced, by another or by a late request of its own.
    LookAtTheLease,
    Initialise,
    ReadStored,
    StoreStart,
    Work,
    /// Nobody can know what was delivered: a person has to look.
    Stuck,
    Destroy,
    Release,
    Gone,
}

/// Something a lane does by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Move {
    Run(Script),
    Ask(Request),
    ReadStored,
    /// Looks which batches its slot holds.
    Look,
    /// Reads a batch, and finds these of its lines to be bad ones.
    Read {
        seq: Seq,
        bad: Lines,
    },
    /// Produces, and Kafka refuses a line.
    ProduceRefused {
        line: Line,
    },
    /// Gives the slot up.
    End,
    Destroy,
}

impl Lane {
    pub fn new(protocol: &Protocol, token: Token, slot: usize, next_seq: Seq) -> Self {
        let step = match (protocol.is_exactly_once(), protocol.keeps(Rule::InitialisesBeforeItReads)) {
            (true, true) => Step::Initialise,
            (true, false) => Step::ReadStored,
            (false, _) => Step::Work,
        };
        Self {
            token,
            slot,
            only_finishes: false,
            has_to_look: false,
            has_lost_lease: false,
            step,
            next_seq,
            is_asking: false,
            epoch: 0,
            shipments: Vec::new(),
            read_early: None,
        }
    }

    pub fn recovering(protocol: &Protocol, token: Token, slot: usize, mut seqs: Vec<Seq>) -> Self {
        if !protocol.keeps(Rule::RecoversInOrder) {
            seqs.reverse();
        }
        let shipments = seqs.into_iter().map(Shipment::new).collect();
        Self { only_finishes: true, shipments, ..Self::new(protocol, token, slot, 0) }
    }

    /// Whether Redis refuses its seqs.
    pub fn reserves_in_vain(&self, slot: &Slot) -> bool {
        let reserves = self.step == Step::Work && !self.only_finishes && slot.lease == Some(self.token);
        reserves && self.next_seq <= slot.last_seq && !slot.batches.contains_key(&self.next_seq)
    }

    /// All that it may do next.
    pub fn moves(&self, protocol: &Protocol, state: &State) -> Vec<Move> {
        let mut moves = Vec::new();
        let looks = self.step == Step::LookAtTheLease;
        if !self.has_lost_lease && !looks && state.redis.slots[self.slot].lease != Some(self.token) {
            moves.push(Move::Run(Script::Renew { slot: self.slot }));
        }
        let must_wait = state.kafka.is_committing(self.slot);
        match self.step {
            Step::Destroy => moves.push(Move::Destroy),
            Step::Release => moves.push(Move::Run(Script::Release { slot: self.slot })),
            Step::Gone => {}
            _ if self.has_lost_lease => moves.push(Move::End),
            Step::Stuck => {}
            Step::LookAtTheLease => moves.push(Move::Run(Script::Renew { slot: self.slot })),
            Step::Initialise | Step::ReadStored | Step::StoreStart if must_wait => {}
            Step::Initialise => moves.push(Move::Ask(Request::Initialise)),
            Step::ReadStored => moves.push(Move::ReadStored),
            Step::StoreStart => {
                moves.push(Move::Ask(Request::Store { epoch: self.epoch, seq: self.next_seq - 1 }));
            }
            Step::Work => self.work(protocol, state, must_wait, &mut moves),
        }
        moves
    }

    fn work(&self, protocol: &Protocol, state: &State, must_wait: bool, moves: &mut Vec<Move>) {
        let reserve = self.reservation(protocol, state);
        if self.is_asking {
            moves.extend(reserve);
            return;
        }
        let in_order = protocol.is_exactly_once() || self.only_finishes;
        let next = match self.shipments.iter().find(|shipment| shipment.stage.is_before_kafka()) {
            Some(shipment) if !in_order => Some(shipment),
            _ => self.shipments.iter().find(|shipment| in_order || shipment.is_done(protocol)),
        };
        if let Some(shipment) = next {
            self.bring_on(shipment, protocol, state, must_wait, moves);
        }
        let may_reserve = match next.map(|shipment| &shipment.stage) {
            None => true,
            // While one transaction is committed, the next batch is reserved.
            Some(Stage::Produced { .. }) => protocol.is_exactly_once(),
            Some(_) => false,
        };
        if self.only_finishes {
            if self.shipments.is_empty() {
                moves.push(Move::End);
            }
        } else if may_reserve && self.shipments.len() < protocol.under_way {
            moves.extend(reserve);
        }
        // A worker recovers beside its lanes; here a lane that has nothing to do stands in for that.
        if !self.only_finishes
            && self.shipments.is_empty()
            && state.redis.queue.is_empty()
            && state.has_left_slot()
        {
            moves.push(Move::End);
        }
    }

    /// What comes when it wants lines; nothing before the lease has been renewed.
    fn reservation(&self, protocol: &Protocol, state: &State) -> Option<Move> {
        if !self.has_to_look || !protocol.keeps(Rule::LooksAfterARestart) {
            return Some(Move::Run(Script::Reserve { slot: self.slot, seq: self.next_seq }));
        }
        let holds = state.redis.slots[self.slot].lease == Some(self.token);
        (holds || !protocol.keeps(Rule::LooksWhileItHolds)).then_some(Move::Look)
    }

    fn bring_on(
        &self,
        shipment: &Shipment,
        protocol: &Protocol,
        state: &State,
        must_wait: bool,
        moves: &mut Vec<Move>,
    ) {
        let &Shipment { seq, stage, is_acknowledged } = shipment;
        let (slot, epoch) = (self.slot, self.epoch);
        let acknowledge = Move::Run(Script::Acknowledge { slot, seq });
        if !protocol.keeps(Rule::DeliversBeforeItAcknowledges) && stage.is_with_kafka() && !is_acknowledged {
            moves.push(acknowledge);
            return;
        }
        match stage {
            Stage::Reserved => {
                moves.push(Move::Read { seq, bad: Lines::default() });
                let lines = state.redis.read(slot, seq);
                let fickle = protocol.fickle.filter(|&line| lines.contains(line));
                moves.extend(fickle.map(|line| Move::Read { seq, bad: Lines::one(line) }));
            }
            Stage::Rejecting { bad, .. } => {
                moves.push(Move::Run(Script::Reject { slot, seq, lines: bad }));
            }
            Stage::Delivered => moves.push(acknowledge),
            _ if must_wait || !protocol.is_exactly_once() => {}
            Stage::Sending { good, .. } => {
                moves.push(Move::Ask(Request::Produce { epoch, lines: good }));
                let fickle = protocol.fickle.filter(|&line| good.contains(line));
                moves.extend(fickle.map(|line| Move::ProduceRefused { line }));
            }
            Stage::Produced { .. } => {
                let seq = protocol.keeps(Rule::StoresWithTheMessages).then_some(seq);
                moves.push(Move::Ask(Request::Commit { epoch, seq }));
            }
            Stage::Aborting { .. } => moves.push(Move::Ask(Request::Abort { epoch })),
            Stage::Storing => moves.push(Move::Ask(Request::Store { epoch, seq })),
        }
    }

    /// The line that the producer sends next, and whose batch it is in; at least once only.
    pub fn outgoing(&self) -> Option<(usize, Line)> {
        let places = self.shipments.iter().enumerate();
        let mut lines = places.filter_map(|(place, shipment)| match shipment.stage {
            Stage::Sending { good, .. } => good.lowest().map(|line| (place, line)),
            _ => None,
        });
        lines.next()
    }

    /// Kafka has taken that line, or refused it.
    pub fn sent(&mut self, place: usize, line: Line, is_refused: bool) {
        if let Stage::Sending { good, bad } = self.shipments[place].stage {
            let line = Lines::one(line);
            let bad = if is_refused { bad.with(line) } else { bad };
            self.shipments[place].stage = Stage::of(good.without(line), bad);
        }
        self.forget_done();
    }

    pub fn end(&mut self, protocol: &Protocol) {
        self.step = match protocol.keeps(Rule::DestroysBeforeItReleases) {
            true => Step::Destroy,
            false => Step::Release,
        };
    }

    /// The producer is no more, nor what it had still to send.
    pub fn destroy(&mut self) {
        self.shipments.clear();
        self.step = Step::Release;
    }
}
