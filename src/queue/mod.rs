//! The Redis side: lines are reserved, read, rejected, acknowledged and recovered here.
//!
//! - [`settings`]: which servers, which lists
//! - [`server`]: one server and the names of its keys
//! - [`lease`]: the right to a slot, for as long as it is renewed
//! - [`slot`]: what the holder of a slot may do: reserve, read, reject, acknowledge
//! - [`batch`]: a reserved batch and what is on record about it
//! - [`in_flight`]: which slots hold batches
//! - [`rest`]: lines in flight that no batch has yet
//! - [`idle`]: waiting for lines without asking for them
//! - [`recovery`]: slots whose owner has gone
//! - [`invalid`]: the list of rejected lines
//! - [`history`]: what workers have counted, for the last hour and the last day
//! - [`status`]: how full everything is
//! - `scripts`: all that is ever written, and what Redis itself looks through, one Lua script a file

pub mod batch;
pub mod history;
pub mod idle;
pub mod in_flight;
pub mod invalid;
pub mod lease;
pub mod recovery;
pub mod rest;
mod scripts;
pub mod server;
pub mod settings;
pub mod slot;
pub mod status;

pub use batch::{Batch, Delivery};
pub use lease::Lease;
pub use server::{Link, Server};
pub use settings::Settings;
pub use slot::{Error, Reservation, Slot};
