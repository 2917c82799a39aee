//! What must hold at every moment.

use stateright::{Model, Property};

use super::lines::Line;
use super::protocol::Protocol;
use super::state::State;

pub const NEVER_LOST: &str = "every line is in the queue, in flight, rejected or delivered";
pub const SEEN_ONCE: &str = "a consumer sees each line once, and no line that was rejected";
pub const SEEN_TWICE_FOR_A_REASON: &str =
    "a consumer sees a line twice only after a crash, a stop or a long pause";
pub const REJECTED_ONCE: &str = "a line is rejected once";
pub const HOLDER_SENDS: &str = "only who holds the slot sends its lines";
pub const DRAINS: &str = "when faults stop, the queue drains";

/// What is promised in the protocol's mode.
pub fn of(protocol: &Protocol) -> Vec<Property<Protocol>> {
    // What the protocol is there to overcome must come to pass, or it has been explored for nothing.
    let (once, trouble) = match protocol.is_exactly_once() {
        true => (
            Property::always(SEEN_ONCE, is_seen_once),
            Property::sometimes("Kafka commits for a lane that is gone", commits_for_nobody),
        ),
        false => (
            Property::always(SEEN_TWICE_FOR_A_REASON, is_seen_twice_for_a_reason),
            Property::sometimes("a consumer sees a line twice", |protocol, state| {
                !is_seen_once(protocol, state)
            }),
        ),
    };
    vec![
        Property::always(NEVER_LOST, |protocol, state| !is_lost(protocol, state)),
        once,
        Property::always(REJECTED_ONCE, |_, state: &State| state.redis.invalid.is_at_most_one()),
        Property::always(HOLDER_SENDS, |_, state: &State| !state.has_trespassed),
        Property::always(DRAINS, is_drained_or_goes_on),
        Property::sometimes("all lines are done", |_, state: &State| is_drained(state)),
        trouble,
    ]
}

fn is_lost(protocol: &Protocol, state: &State) -> bool {
    let deliveries = state.kafka.deliveries();
    let is_somewhere = |line: Line| {
        state.redis.queue.contains(line)
            || state.redis.is_in_flight(line)
            || state.redis.invalid.of(line) > 0
            || deliveries.of(line) > 0
    };
    !(0..protocol.lines).all(is_somewhere)
}

fn is_seen_once(_: &Protocol, state: &State) -> bool {
    state.kafka.deliveries().plus(state.redis.invalid).is_at_most_one()
}

fn is_seen_twice_for_a_reason(protocol: &Protocol, state: &State) -> bool {
    let has_reason = state.has_lapsed
        || state.faults.crashes < protocol.faults.crashes
        || state.faults.stops < protocol.faults.stops;
    has_reason || is_seen_once(protocol, state)
}

fn is_drained(state: &State) -> bool {
    state.redis.queue.is_empty() && state.redis.slots.iter().all(|slot| slot.batches.is_empty())
}

/// Whether a lane asks for lines and gets none, however many there are.
fn has_stuck_lane(state: &State) -> bool {
    state.lanes().any(|lane| lane.reserves_in_vain(&state.redis.slots[lane.slot]))
}

fn commits_for_nobody(_: &Protocol, state: &State) -> bool {
    let has_lane = |slot| state.lanes().any(|lane| lane.slot == slot);
    (0..state.kafka.slots.len()).any(|slot| state.kafka.is_committing(slot) && !has_lane(slot))
}

/// Nobody comes back from a pause, no late call arrives: something still happens, or all is done.
///
/// Since nothing happens for ever (another test says so), all is done in the end. It may stop short only where Kafka
/// forgot what was delivered.
fn is_drained_or_goes_on(protocol: &Protocol, state: &State) -> bool {
    let is_done = is_drained(state) && !has_stuck_lane(state);
    if is_done || state.faults.forgotten_offsets < protocol.faults.forgotten_offsets {
        return true;
    }
    let mut actions = Vec::new();
    state.progress(protocol, &mut actions);
    actions.into_iter().any(|action| protocol.next_state(state, action).is_some())
}
