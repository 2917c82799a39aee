//! The names of tokens and epochs, and the order of workers, mean nothing: states that differ in them only are made
//! one, which leaves far fewer to explore.

use super::kafka::{Epoch, Request};
use super::redis::Token;
use super::state::{Call, State};

/// A token that stands nowhere.
pub fn new_token(state: &State) -> Token {
    let leases = state.redis.slots.iter().filter_map(|slot| slot.lease);
    let lanes = state.workers.iter().filter_map(|worker| worker.lane.as_ref()).map(|lane| lane.token);
    let late = state.late.iter().filter_map(|call| match call {
        Call::Redis(token, _) => Some(*token),
        Call::Kafka(..) => None,
    });
    leases.chain(lanes).chain(late).max().map_or(0, |highest| highest + 1)
}

/// Gives out all names anew.
pub fn renew(state: &mut State) {
    state.workers.sort_by(|one, other| {
        let known = |worker: &super::state::Worker| {
            let lane = worker.lane.as_ref();
            lane.map(|lane| (lane.slot, lane.has_lost_lease, worker.is_paused, lane.token))
        };
        known(one).cmp(&known(other))
    });
    let mut seen = Vec::new();
    for token in tokens(state) {
        *token = place(&mut seen, *token);
    }
    for slot in 0..state.kafka.slots.len() {
        let mut seen = epochs(state, slot).into_iter().map(|epoch| *epoch).collect::<Vec<_>>();
        // A lane that never initialised has epoch 0, and later ones stay later.
        seen.push(0);
        seen.sort_unstable();
        seen.dedup();
        for epoch in epochs(state, slot) {
            *epoch = place(&mut seen, *epoch);
        }
    }
    state.late.sort_unstable();
}

fn place(seen: &mut Vec<u8>, name: u8) -> u8 {
    let place = seen.iter().position(|&other| other == name).unwrap_or_else(|| {
        seen.push(name);
        seen.len() - 1
    });
    u8::try_from(place).unwrap()
}

/// All tokens that stand somewhere.
fn tokens(state: &mut State) -> Vec<&mut Token> {
    let leases = state.redis.slots.iter_mut().filter_map(|slot| slot.lease.as_mut());
    let lanes =
        state.workers.iter_mut().filter_map(|worker| worker.lane.as_mut()).map(|lane| &mut lane.token);
    let late = state.late.iter_mut().filter_map(|call| match call {
        Call::Redis(token, _) => Some(token),
        Call::Kafka(..) => None,
    });
    leases.chain(lanes).chain(late).collect()
}

/// All epochs of a slot that stand somewhere.
fn epochs(state: &mut State, slot: usize) -> Vec<&mut Epoch> {
    let lanes = state.workers.iter_mut().filter_map(|worker| worker.lane.as_mut());
    let lanes = lanes.filter(|lane| lane.slot == slot).map(|lane| &mut lane.epoch);
    let late = state.late.iter_mut().filter_map(|call| match call {
        Call::Kafka(its_slot, request) if *its_slot == slot => match request {
            Request::Initialise => None,
            Request::Produce { epoch, .. }
            | Request::Commit { epoch, .. }
            | Request::Abort { epoch }
            | Request::Store { epoch, .. } => Some(epoch),
        },
        _ => None,
    });
    std::iter::once(&mut state.kafka.slots[slot].epoch).chain(lanes).chain(late).collect()
}
