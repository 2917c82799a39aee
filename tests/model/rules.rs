//! Each rule that the protocol rests on, left out: what goes wrong then is what the rule is there for.

use super::properties::{
    DRAINS, HOLDER_SENDS, NEVER_LOST, REJECTED_ONCE, SEEN_ONCE, SEEN_TWICE_FOR_A_REASON,
};
use super::protocol::{Faults, Protocol, Rule};
use super::{at_least_once, breaks, exactly_once, exactly_once_in_order};

const NONE: Faults = Faults {
    in_all: 9,
    crashes: 0,
    pauses: 0,
    unanswered: 0,
    restarts: 0,
    stops: 0,
    forgotten_seqs: 0,
    forgotten_offsets: 0,
};
const CRASH: Faults = Faults { crashes: 1, ..NONE };
const CRASHES: Faults = Faults { crashes: 2, ..NONE };

impl Protocol {
    fn with(self, faults: Faults) -> Self {
        Self { faults, ..self }
    }

    fn without(self, rule: Rule) -> Self {
        Self { left_out: Some(rule), ..self }
    }

    fn with_clock(self) -> Self {
        Self { has_clock: true, ..self }
    }
}

/// After a restart of Redis two lanes send the same batch.
#[test]
fn a_slot_is_taken_over_only_when_its_owner_had_the_time_to_come_back() {
    let restart = Faults { restarts: 1, ..NONE };
    breaks(at_least_once().with(restart).without(Rule::WaitsForTheOwner), SEEN_TWICE_FOR_A_REASON);
}

/// Redis restarts, another takes the slot, which is empty, commits a batch and ends. The former owner, who has seen
/// nothing of that but the seq that was stored, holds the lease again and takes the batch for his own.
#[test]
fn after_a_restart_of_redis_a_lane_looks_whether_another_was_in_its_slot() {
    let faults = Faults { restarts: 1, stops: 1, ..NONE };
    breaks(exactly_once().with_clock().with(faults).without(Rule::LooksAfterARestart), SEEN_ONCE);
}

/// The same, though he has looked: too early.
#[test]
fn a_lane_looks_while_it_holds_the_lease() {
    let faults = Faults { restarts: 1, stops: 1, ..NONE };
    breaks(exactly_once().with_clock().with(faults).without(Rule::LooksWhileItHolds), SEEN_ONCE);
}

/// The same, though he has looked when he held the lease.
#[test]
fn a_lane_takes_no_batch_of_another_for_its_own() {
    let faults = Faults { restarts: 1, stops: 1, ..NONE };
    breaks(exactly_once().with_clock().with(faults).without(Rule::TakesOnlyWhatItHas), SEEN_ONCE);
}

/// The same, and the other has left nothing there; but the seqs of the former owner lie behind his, by as many as there
/// are microseconds between the two.
#[test]
fn a_lane_leaves_a_slot_in_which_its_seq_is_refused() {
    let faults = Faults { restarts: 1, stops: 1, ..NONE };
    breaks(at_least_once().with_clock().with(faults).without(Rule::LeavesWhereASeqIsRefused), DRAINS);
}

/// A fresh lane commits its own batch, and with it a seq above that of the batch that was left.
#[test]
fn a_fresh_lane_takes_a_slot_in_which_nothing_is_in_flight() {
    breaks(exactly_once_in_order().with(CRASHES).without(Rule::TakesAnEmptySlot), NEVER_LOST);
}

/// Redis has forgotten the last seq: what is reserved next looks as if it had been delivered long ago.
#[test]
fn a_seq_is_above_the_stored_one() {
    let faults = Faults { forgotten_seqs: 1, ..CRASHES };
    let protocol = exactly_once_in_order().with(faults);
    breaks(protocol.without(Rule::SeqIsAboveTheStored), NEVER_LOST);
}

/// A late copy of a reservation takes lines that its lane knows nothing of. Exactly-once takes them for delivered.
#[test]
fn a_seq_that_was_used_is_refused() {
    let late = Faults { unanswered: 1, ..CRASH };
    breaks(at_least_once().with(late).without(Rule::OldSeqIsRefused), DRAINS);
    breaks(exactly_once_in_order().with(late).without(Rule::OldSeqIsRefused), NEVER_LOST);
}

/// The batch of the first call stays in flight while its lane lives.
#[test]
fn a_reservation_is_asked_for_with_the_same_seq_until_it_is_answered() {
    let unanswered = Faults { unanswered: 1, ..NONE };
    breaks(at_least_once().with(unanswered).without(Rule::AsksForTheSameSeq), DRAINS);
}

/// The batch counts as delivered before its bad line is in the invalid list.
#[test]
fn a_bad_line_leaves_its_batch_before_the_rest_is_sent() {
    breaks(exactly_once().with(CRASH).without(Rule::RejectsBeforeItSends), NEVER_LOST);
}

/// A call that is repeated writes the line a second time.
#[test]
fn a_line_whose_tombstone_stands_there_is_not_rejected_again() {
    let unanswered = Faults { unanswered: 1, ..NONE };
    breaks(at_least_once().with(unanswered).without(Rule::RejectsOnce), REJECTED_ONCE);
}

/// The call of a dead worker rejects a line that another is sending.
#[test]
fn a_line_is_rejected_by_the_holder_of_the_lease_only() {
    let late = Faults { unanswered: 1, ..CRASH };
    breaks(exactly_once().with(late).without(Rule::RejectLooksAtTheLease), SEEN_ONCE);
}

/// Where a seq comes twice after all, the call of a dead worker removes a batch that nobody has sent.
#[test]
fn a_batch_is_acknowledged_by_the_holder_of_the_lease_only() {
    let faults = Faults { unanswered: 1, forgotten_seqs: 1, ..CRASH };
    let protocol = at_least_once().with(faults);
    breaks(protocol.without(Rule::AcknowledgeLooksAtTheLease), NEVER_LOST);
}

#[test]
fn a_batch_is_acknowledged_when_it_has_been_delivered() {
    breaks(at_least_once().with(CRASH).without(Rule::DeliversBeforeItAcknowledges), NEVER_LOST);
    breaks(exactly_once().with(CRASH).without(Rule::DeliversBeforeItAcknowledges), NEVER_LOST);
}

/// Whoever takes the slot over sends beside a producer that is still there.
#[test]
fn a_slot_is_released_when_its_producer_is_no_more() {
    let stop = Faults { stops: 1, ..NONE };
    breaks(at_least_once().with(stop).without(Rule::DestroysBeforeItReleases), HOLDER_SENDS);
}

/// The commit of a dead worker arrives between the two.
#[test]
fn transactions_are_initialised_before_the_stored_seq_is_read() {
    let late = Faults { unanswered: 1, ..CRASH };
    breaks(exactly_once().with(late).without(Rule::InitialisesBeforeItReads), SEEN_ONCE);
}

/// What was produced stands in the open transaction, and is committed together with its second copy.
#[test]
fn transactions_are_initialised_again_after_a_request_whose_outcome_is_not_certain() {
    let unanswered = Faults { unanswered: 1, ..NONE };
    breaks(exactly_once().with(unanswered).without(Rule::InitialisesAfterDoubt), SEEN_ONCE);
}

#[test]
fn a_batch_up_to_the_stored_seq_is_not_sent_again() {
    breaks(exactly_once().with(CRASH).without(Rule::BelievesTheStored), SEEN_ONCE);
}

/// A worker dies before its first commit: whoever comes next cannot know that nothing was delivered.
#[test]
fn a_start_is_stored_before_anything_is_reserved() {
    breaks(exactly_once().with(CRASH).without(Rule::StoresTheStart), DRAINS);
}

/// Kafka has forgotten the stored seq, and the batch was delivered.
#[test]
fn a_lane_stops_where_batches_are_in_flight_and_no_seq_is_stored() {
    let faults = Faults { forgotten_offsets: 1, ..CRASH };
    breaks(exactly_once().with(faults).without(Rule::StopsWhereNothingIsStored), SEEN_ONCE);
}

/// A worker dies between the two.
#[test]
fn the_seq_is_stored_in_the_transaction_that_holds_the_messages() {
    breaks(exactly_once().with(CRASH).without(Rule::StoresWithTheMessages), SEEN_ONCE);
}

/// The later batch is committed, and with it a seq above that of the earlier one.
#[test]
fn batches_that_were_left_are_sent_in_the_order_of_their_seqs() {
    breaks(exactly_once_in_order().with(CRASHES).without(Rule::RecoversInOrder), NEVER_LOST);
}

/// The same, in the lane that reserved them.
#[test]
fn no_batch_passes_one_that_was_aborted() {
    let faults = Faults { unanswered: 1, ..CRASH };
    breaks(exactly_once_in_order().with(faults).without(Rule::NothingPasses), NEVER_LOST);
}
