//! Whether something can go on for ever without getting anywhere.

use std::collections::HashSet;
use std::hash::{BuildHasher, BuildHasherDefault, DefaultHasher};

use stateright::Model;

use super::protocol::{Faults, Protocol};
use super::state::State;
use super::{at_least_once, exactly_once};

/// Follows every path to its end; says whether one leads back to where it has been.
fn has_circle(protocol: &Protocol) -> bool {
    let name = |state: &State| BuildHasherDefault::<DefaultHasher>::default().hash_one(state);
    let mut done = HashSet::new();
    let mut on_the_path = HashSet::new();
    let mut path: Vec<(u64, Vec<State>)> = Vec::new();
    let mut next = protocol.init_states().pop();
    loop {
        if let Some(state) = next.take() {
            let name = name(&state);
            if on_the_path.contains(&name) {
                return true;
            }
            if !done.contains(&name) {
                on_the_path.insert(name);
                path.push((name, protocol.next_states(&state)));
            }
        }
        let Some((name, rest)) = path.last_mut() else { return false };
        next = rest.pop();
        if next.is_none() {
            on_the_path.remove(name);
            done.insert(*name);
            path.pop();
        }
    }
}

#[test]
fn nothing_goes_on_for_ever() {
    let faults = Faults {
        in_all: 1,
        crashes: 1,
        pauses: 1,
        unanswered: 1,
        restarts: 1,
        stops: 1,
        ..Faults::default()
    };
    assert!(!has_circle(&Protocol { faults, ..at_least_once() }));
    assert!(!has_circle(&Protocol { faults, ..exactly_once() }));
}
