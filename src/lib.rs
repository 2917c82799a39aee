//! Takes raw click lines off Redis lists, adds device and country, and inserts them into Kafka without losing any.
//!
//! A map, top down; arrows between modules run in this order only:
//!
//! - [`cli`], [`commands`]: the command line, one command a file
//! - [`worker`]: composes: lanes reserve, enrich, publish and acknowledge
//! - [`web`]: pages, health and metrics over HTTP; knows Redis, and nothing of Kafka
//! - [`enrich`]: payload to message, with device and country; no network
//! - [`queue`]: Redis: lists, leases, scripts
//! - [`kafka`]: Kafka: settings, topics, delivery reports
//! - [`payload`]: the raw line, parsed; [`message`]: the message, written and read back
//! - [`sample`]: made-up traffic; [`stats`]: what is counted
//! - [`settings`], [`logging`]: how variables are found; what goes to the log; [`utc`]: date and time;
//!   [`visible`]: bytes as people can read and type them

pub mod cli;
pub mod commands;
pub mod enrich;
pub mod kafka;
pub mod logging;
pub mod message;
pub mod payload;
pub mod queue;
pub mod sample;
pub mod settings;
pub mod stats;
pub mod utc;
pub mod visible;
pub mod web;
pub mod worker;
