//! The list of rejected lines: each a JSON object with `reason`, `detail`, `at` and the payload.
//!
//! It stands in the order of rejection: new lines come at its tail, and the oldest go first. So a line can only move
//! towards the head, and is found again from the place where it was seen.
//!
//! - `record`: one rejected line
//! - `id`: what a line is called
//! - `read`: some lines at a time, from either end; how many there are of each reason
//! - `take`: back to the queue, or away

mod id;
mod read;
mod record;
mod take;

pub use id::{Id, NoId};
pub use read::{CALL_BYTES, CALL_LINES, Counts, Entry, Portion, count, find, newer, older};
pub use record::Record;
pub use take::{Take, Taking, take_one};
