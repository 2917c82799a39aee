//! What a lane makes of an answer, or of none.

use super::shipment::{Shipment, Stage};
use super::{Lane, Step};
use crate::kafka::{Reply, Request};
use crate::lines::{Line, Lines};
use crate::protocol::{Protocol, Rule};
use crate::redis::{Answer, Script, Seq};

impl Lane {
    /// Redis has answered.
    pub fn hear(&mut self, protocol: &Protocol, script: Script, answer: &Answer) {
        self.is_asking &= *answer == Answer::Absent || !matches!(script, Script::Reserve { .. });
        match (script, answer) {
            (Script::Release { .. }, _) => self.released(),
            (_, Answer::Lost) => self.has_lost_lease = true,
            (_, Answer::Absent) => {}
            (Script::Renew { .. }, _) if self.step == Step::LookAtTheLease => self.step = Step::Initialise,
            (Script::Reserve { seq, .. }, Answer::Ok) => {
                self.next_seq += 1;
                self.shipments.push(Shipment::new(seq));
            }
            (Script::Reserve { .. }, Answer::Stale) => {
                self.only_finishes |= protocol.keeps(Rule::LeavesWhereASeqIsRefused)
            }
            (Script::Reject { seq, .. }, _) => {
                let shipment = self.shipment(seq);
                if let Stage::Rejecting { good, .. } = shipment.stage {
                    shipment.stage = Stage::of(good, Lines::default());
                }
            }
            (Script::Acknowledge { seq, .. }, _) => {
                self.shipment(seq).is_acknowledged = true;
                self.forget_done();
            }
            _ => {}
        }
    }

    /// Redis has not answered; its calls may be repeated.
    pub fn miss(&mut self, protocol: &Protocol, script: Script) {
        match script {
            // Not asked for again: the lease runs out.
            Script::Release { .. } => self.released(),
            Script::Reserve { .. } => {
                self.is_asking = true;
                self.next_seq += u8::from(!protocol.keeps(Rule::AsksForTheSameSeq));
            }
            _ => {}
        }
    }

    fn released(&mut self) {
        // With the producer still there where that rule is left out.
        self.has_lost_lease = true;
        self.step = if self.shipments.is_empty() { Step::Gone } else { Step::Destroy };
    }

    /// Kafka has answered.
    pub fn hear_kafka(&mut self, protocol: &Protocol, request: Request, reply: Reply) {
        let shipment = self.shipments.first_mut();
        match (request, reply) {
            (_, Reply::Epoch(epoch)) => {
                self.epoch = epoch;
                match self.read_early.take() {
                    Some(stored) => self.start_from(protocol, stored),
                    None => self.step = Step::ReadStored,
                }
            }
            (_, Reply::Fenced) => self.step = Step::LookAtTheLease,
            (Request::Store { .. }, _) if self.step == Step::StoreStart => self.step = Step::Work,
            (_, _) => {
                if let Some(shipment) = shipment {
                    shipment.stage = shipment.stage.after(request);
                }
                self.forget_done();
            }
        }
    }

    /// Kafka has not answered: whatever it was, its outcome is not certain.
    pub fn miss_kafka(&mut self, protocol: &Protocol, request: Request) {
        let may_skip = request != Request::Initialise && self.step == Step::Work;
        self.step = match protocol.keeps(Rule::InitialisesAfterDoubt) || !may_skip {
            true => Step::Initialise,
            false => Step::ReadStored,
        };
        if !protocol.keeps(Rule::NothingPasses) && !self.shipments.is_empty() {
            self.shipments.rotate_left(1);
        }
    }

    /// The stored seq has been read.
    pub fn hear_stored(&mut self, protocol: &Protocol, stored: Option<Seq>) {
        let is_early = self.epoch == 0 && !protocol.keeps(Rule::InitialisesBeforeItReads);
        if is_early {
            self.read_early = Some(stored);
            self.step = Step::Initialise;
        } else {
            self.start_from(protocol, stored);
        }
    }

    fn start_from(&mut self, protocol: &Protocol, stored: Option<Seq>) {
        let is_known = stored.is_some() || !protocol.keeps(Rule::StopsWhereNothingIsStored);
        self.step = match stored {
            _ if !self.shipments.is_empty() && !is_known => Step::Stuck,
            None if self.shipments.is_empty() && protocol.keeps(Rule::StoresTheStart) => Step::StoreStart,
            _ => Step::Work,
        };
        let stored = stored.unwrap_or_default();
        if protocol.keeps(Rule::SeqIsAboveTheStored) {
            self.next_seq = self.next_seq.max(stored + 1);
        }
        for shipment in &mut self.shipments {
            let was_delivered = shipment.seq <= stored && protocol.keeps(Rule::BelievesTheStored);
            shipment.stage = if was_delivered { Stage::Delivered } else { Stage::Reserved };
        }
    }

    /// These batches stand in its slot, whose lease Redis had forgotten.
    pub fn hear_of_batches(&mut self, protocol: &Protocol, mut seqs: impl Iterator<Item = Seq>) {
        let takes_next = !protocol.keeps(Rule::TakesOnlyWhatItHas);
        let is_ours = |seq| {
            takes_next && seq == self.next_seq || self.shipments.iter().any(|shipment| shipment.seq == seq)
        };
        self.only_finishes = !seqs.all(is_ours);
        self.has_to_look = false;
        self.is_asking &= !self.only_finishes;
    }

    /// A batch has been read, and these of its lines are bad ones.
    pub fn judge(&mut self, protocol: &Protocol, seq: Seq, lines: Lines, bad: Lines) {
        let good = lines.without(bad);
        self.shipment(seq).stage = match protocol.keeps(Rule::RejectsBeforeItSends) {
            true if !bad.is_empty() => Stage::Rejecting { bad, good },
            true | false => Stage::of(good, bad),
        };
    }

    /// Kafka has refused a line, with the transaction that it was in.
    pub fn refused(&mut self, line: Line) {
        let Some(shipment) = self.shipments.first_mut() else { return };
        if let Stage::Sending { good, .. } = shipment.stage {
            let bad = Lines::one(line);
            shipment.stage = Stage::Aborting { bad, good: good.without(bad) };
        }
    }

    fn shipment(&mut self, seq: Seq) -> &mut Shipment {
        let found = self.shipments.iter_mut().find(|shipment| shipment.seq == seq);
        found.expect("a lane speaks of its own batches only")
    }

    pub(super) fn forget_done(&mut self) {
        self.shipments.retain(|shipment| !(shipment.is_acknowledged && shipment.stage == Stage::Delivered));
    }
}
