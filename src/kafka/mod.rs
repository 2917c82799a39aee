//! The Kafka side: messages are published and their delivery is counted here.
//!
//! - [`settings`]: where Kafka is, how it is reached, what librdkafka is told
//! - [`topics`]: which topics can be written to
//! - [`permissions`]: which topics this user may write to
//! - [`reports`]: delivery reports, counted batch by batch
//! - [`publisher`]: a producer that a lane owns
//! - [`at_least_once`]: what a report means for a line: delivered, refused, or to be sent again
//! - [`troubles`]: what clients meet with, in plain words
//! - [`exactly_once`]: a batch and its seq in one transaction
//! - [`cluster`]: what a cluster has, and why it does not answer
//! - [`reader`]: reads topics without a group, for people to look at

pub mod at_least_once;
pub mod cluster;
pub mod exactly_once;
pub mod partitions;
pub mod permissions;
mod produce;
pub mod publisher;
pub mod reader;
pub mod reports;
pub mod settings;
pub mod topics;
pub mod troubles;

pub use exactly_once::{ExactlyOnce, Ledger};
pub use publisher::Publisher;
pub use settings::Settings;
pub use topics::Topics;
pub use troubles::Troubles;
