//! The inputs that the fuzz targets have found so far, each given to its property once more.

#![allow(clippy::unwrap_used, reason = "in a test a panic is the answer")]

use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;

#[path = "../fuzz/properties/mod.rs"]
mod properties;

/// Gives every input of a target to its property, and names the one at which it fails.
fn replay(target: &str, holds: fn(&[u8])) {
    let corpus = [env!("CARGO_MANIFEST_DIR"), "fuzz", "corpus", target].iter().collect::<PathBuf>();
    let mut inputs = 0;
    for entry in fs::read_dir(corpus).unwrap() {
        let path = entry.unwrap().path();
        let input = fs::read(&path).unwrap();
        inputs += 1;
        assert!(catch_unwind(AssertUnwindSafe(|| holds(&input))).is_ok(), "at {}", path.display());
    }
    assert!(inputs > 10, "{inputs} inputs: the corpus is not there");
}

#[test]
fn a_line_is_rejected_with_its_reason_or_every_field_comes_back_from_its_message() {
    replay("payload", properties::payload::holds);
}

#[test]
fn what_is_read_as_a_message_can_be_written_and_read_again() {
    replay("message", properties::message::holds);
}

#[test]
fn a_device_is_told_in_the_words_of_the_consumers_and_the_same_each_time() {
    replay("device", properties::device::holds);
}

#[test]
fn a_country_is_what_the_file_says_and_a_broken_file_is_refused() {
    replay("country", properties::country::holds);
}
