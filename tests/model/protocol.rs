//! What is explored: how large, with which faults, and which rule is left out.

/// What is promised of each line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    AtLeastOnce,
    ExactlyOnce,
}

/// One way to set the protocol up. Its numbers are small: what goes wrong, goes wrong with a few lines.
#[derive(Debug, Clone)]
pub struct Protocol {
    pub mode: Mode,
    pub workers: usize,
    pub lines: u8,
    pub batch_size: usize,
    /// Batches that a lane has reserved and not acknowledged, at most.
    pub under_way: usize,
    /// A line that is a bad one at one look and a good one at the next, as when its topic comes and goes; Kafka may
    /// refuse it as well.
    pub fickle: Option<u8>,
    /// The clock of Redis puts the seqs of a lane above those of all that came before. Where it stands still, or was
    /// set back, the rules must do without.
    pub has_clock: bool,
    pub faults: Faults,
    pub left_out: Option<Rule>,
}

/// How many faults may come, each at any step.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub struct Faults {
    /// Of all kinds together.
    pub in_all: u8,
    /// A worker is killed.
    pub crashes: u8,
    /// A worker stands still, as a whole machine may, and goes on later or never.
    pub pauses: u8,
    /// A call stays unanswered: it is carried out now, later or never.
    pub unanswered: u8,
    /// Redis restarts and forgets all leases.
    pub restarts: u8,
    /// A worker is told to stop and has no time to finish what is under way.
    pub stops: u8,
    /// Redis loses what it knew of the last seq of each slot.
    pub forgotten_seqs: u8,
    /// Kafka loses the stored seq of each slot, as when offsets expire.
    pub forgotten_offsets: u8,
}

/// A rule that the protocol rests on. Left out of a model, the checker must find what it is there for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rule {
    /// A slot is taken over only when its lease was away for so long that an owner who lives would be back.
    WaitsForTheOwner,
    /// Where Redis forgot the lease, a lane looks whether its slot holds batches of another, and leaves it to them.
    LooksAfterARestart,
    /// It looks when the lease is its own again, so that nobody comes after the look.
    LooksWhileItHolds,
    /// Then it takes none for its own but those that it has, not even one of the seq that it would ask for next.
    TakesOnlyWhatItHas,
    /// A seq that is refused tells of another, who was in the slot meanwhile.
    LeavesWhereASeqIsRefused,
    /// A fresh lane takes a slot in which nothing is in flight.
    TakesAnEmptySlot,
    /// A seq is above the one that Kafka has stored.
    SeqIsAboveTheStored,
    /// Redis reserves nothing for a seq that is not above the last.
    OldSeqIsRefused,
    /// Until a reservation is answered, it is asked for again with the same seq.
    AsksForTheSameSeq,
    /// Rejected lines have left their batch before the rest is sent.
    RejectsBeforeItSends,
    /// A line whose tombstone stands there is not rejected again.
    RejectsOnce,
    /// A line is rejected only by who holds the lease.
    RejectLooksAtTheLease,
    /// A batch is acknowledged only by who holds the lease.
    AcknowledgeLooksAtTheLease,
    /// A batch is acknowledged when all of it has been delivered.
    DeliversBeforeItAcknowledges,
    /// A slot is released when the producer is no more.
    DestroysBeforeItReleases,
    /// Transactions are initialised, which ends those of a former owner, before the stored seq is read.
    InitialisesBeforeItReads,
    /// After a call to Kafka whose outcome is not certain they are initialised again.
    InitialisesAfterDoubt,
    /// Where the stored seq says that a batch was delivered, it is not sent again.
    BelievesTheStored,
    /// A slot without a stored seq stores one before anything is reserved in it.
    StoresTheStart,
    /// Where batches are in flight and no seq is stored, nobody can know what was delivered.
    StopsWhereNothingIsStored,
    /// The seq is stored in the transaction that holds the messages.
    StoresWithTheMessages,
    /// Batches that were left are sent in order of seq.
    RecoversInOrder,
    /// No batch passes one that was aborted.
    NothingPasses,
}

impl Faults {
    /// One of a kind has come.
    pub fn use_up(&mut self, kind: impl Fn(&mut Self) -> &mut u8) {
        *kind(self) -= 1;
        self.in_all -= 1;
    }
}

impl Protocol {
    pub fn keeps(&self, rule: Rule) -> bool {
        self.left_out != Some(rule)
    }

    pub fn is_exactly_once(&self) -> bool {
        self.mode == Mode::ExactlyOnce
    }
}
