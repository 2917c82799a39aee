//! Kafka: what consumers see, and for each slot its transactions and the stored seq.

use super::lines::{Count, Lines};
use super::redis::Seq;

pub type Epoch = u8;

#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub struct Kafka {
    /// How often a consumer sees each line; one that reads with `read_committed` where there are transactions.
    pub seen: Count,
    pub slots: Vec<Coordinator>,
}

/// What Kafka knows of the transactional id and the group of one slot.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub struct Coordinator {
    /// Of the producer that initialised last: all others are fenced.
    pub epoch: Epoch,
    pub stored: Option<Seq>,
    pub open: Option<Transaction>,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub struct Transaction {
    /// Each as often as it was produced.
    pub lines: Count,
    /// The seq that is stored with them.
    pub seq: Option<Seq>,
    /// It has been decided; consumers see it a moment later.
    pub is_committing: bool,
}

/// A request of a transactional producer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Request {
    Initialise,
    Produce {
        epoch: Epoch,
        lines: Lines,
    },
    Commit {
        epoch: Epoch,
        seq: Option<Seq>,
    },
    Abort {
        epoch: Epoch,
    },
    /// A transaction that stores a seq and nothing else.
    Store {
        epoch: Epoch,
        seq: Seq,
    },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reply {
    Ok,
    Epoch(Epoch),
    Fenced,
}

impl Kafka {
    pub fn slot(&mut self, slot: usize) -> &mut Coordinator {
        if slot >= self.slots.len() {
            self.slots.resize(slot + 1, Coordinator::default());
        }
        &mut self.slots[slot]
    }

    /// Whether a commit has been decided and is not done yet: then requests and the reading of offsets wait.
    pub fn is_committing(&self, slot: usize) -> bool {
        self.open(slot).is_some_and(|open| open.is_committing)
    }

    /// Whether a transaction is open that nobody has decided on.
    pub fn is_open(&self, slot: usize) -> bool {
        self.open(slot).is_some_and(|open| !open.is_committing)
    }

    fn open(&self, slot: usize) -> Option<&Transaction> {
        self.slots.get(slot)?.open.as_ref()
    }

    pub fn stored(&self, slot: usize) -> Option<Seq> {
        self.slots.get(slot).and_then(|slot| slot.stored)
    }

    /// Carries a request out.
    pub fn run(&mut self, slot: usize, request: Request) -> Reply {
        if self.is_committing(slot) {
            // It would be told to try again, which one that comes late does not.
            return Reply::Fenced;
        }
        let slot = self.slot(slot);
        match request {
            Request::Initialise => {
                slot.open = None;
                slot.epoch += 1;
                Reply::Epoch(slot.epoch)
            }
            Request::Produce { epoch, .. }
            | Request::Commit { epoch, .. }
            | Request::Abort { epoch }
            | Request::Store { epoch, .. }
                if epoch != slot.epoch =>
            {
                Reply::Fenced
            }
            Request::Produce { lines, .. } => {
                let open = slot.open.get_or_insert_default();
                lines.iter().for_each(|line| open.lines.add(line));
                Reply::Ok
            }
            Request::Commit { seq, .. } => match &mut slot.open {
                Some(open) => {
                    (open.seq, open.is_committing) = (seq, true);
                    Reply::Ok
                }
                None => Reply::Fenced,
            },
            Request::Abort { .. } => {
                slot.open = None;
                Reply::Ok
            }
            Request::Store { seq, .. } => {
                slot.stored = Some(seq);
                Reply::Ok
            }
        }
    }

    /// Shows consumers what has been committed, and the seq with it.
    pub fn complete(&mut self, slot: usize) {
        let Some(done) = self.slot(slot).open.take() else { return };
        self.seen = self.seen.plus(done.lines);
        if let Some(seq) = done.seq {
            self.slot(slot).stored = Some(seq);
        }
    }

    /// How often consumers see each line, or are about to.
    pub fn deliveries(&self) -> Count {
        let open = self.slots.iter().filter_map(|slot| slot.open);
        open.filter(|open| open.is_committing).fold(self.seen, |seen, open| seen.plus(open.lines))
    }
}
