//! A batch on its way through a lane.

use crate::kafka::Request;
use crate::lines::Lines;
use crate::protocol::{Protocol, Rule};
use crate::redis::Seq;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Shipment {
    pub seq: Seq,
    pub stage: Stage,
    pub is_acknowledged: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Stage {
    Reserved,
    /// These leave the batch, then those are sent.
    Rejecting {
        bad: Lines,
        good: Lines,
    },
    /// `bad` are those that are rejected when the others have been delivered.
    Sending {
        good: Lines,
        bad: Lines,
    },
    /// In a transaction.
    Produced {
        good: Lines,
        bad: Lines,
    },
    /// Kafka refused one; the transaction goes with it.
    Aborting {
        bad: Lines,
        good: Lines,
    },
    /// Its seq is stored later; only where that rule is left out.
    Storing,
    Delivered,
}

impl Shipment {
    pub fn new(seq: Seq) -> Self {
        Self { seq, stage: Stage::Reserved, is_acknowledged: false }
    }

    /// Whether it can be acknowledged.
    pub fn is_done(&self, protocol: &Protocol) -> bool {
        let is_early = !protocol.keeps(Rule::DeliversBeforeItAcknowledges) && self.stage.is_with_kafka();
        self.stage == Stage::Delivered || is_early && !self.is_acknowledged
    }
}

impl Stage {
    /// What comes when these are to be sent, and those to be rejected after that.
    pub fn of(good: Lines, bad: Lines) -> Self {
        match (good.is_empty(), bad.is_empty()) {
            (true, true) => Self::Delivered,
            (true, false) => Self::Rejecting { bad, good },
            (false, _) => Self::Sending { good, bad },
        }
    }

    pub fn is_before_kafka(self) -> bool {
        matches!(self, Self::Reserved | Self::Rejecting { .. })
    }

    pub fn is_with_kafka(self) -> bool {
        matches!(self, Self::Sending { .. } | Self::Produced { .. })
    }

    /// What a request that was carried out makes of it.
    pub fn after(self, request: Request) -> Self {
        match (self, request) {
            (Self::Sending { good, bad }, Request::Produce { .. }) => Self::Produced { good, bad },
            (Self::Produced { .. }, Request::Commit { seq: None, .. }) => Self::Storing,
            (Self::Produced { bad, .. }, Request::Commit { .. }) => Self::of(Lines::default(), bad),
            (Self::Aborting { bad, good }, Request::Abort { .. }) => Self::Rejecting { bad, good },
            (Self::Storing, Request::Store { .. }) => Self::Delivered,
            (other, _) => other,
        }
    }
}
