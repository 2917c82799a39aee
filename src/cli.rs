//! The command line.

use clap::{Parser, Subcommand};

use crate::{commands, logging};

/// Takes raw click lines off Redis lists, adds device and country, and inserts them into Kafka.
///
/// Settings come from flags, then the environment, then a .env file, then the defaults shown; each flag shows its
/// variable in brackets.
#[derive(Parser)]
#[command(name = "kafkastore", version, infer_long_args = false, disable_help_subcommand = true)]
pub struct Cli {
    #[command(subcommand)]
    pub command: Command,
    #[command(flatten)]
    pub log: logging::Settings,
}

#[derive(Subcommand)]
pub enum Command {
    /// The main job: from Redis to Kafka, until it is told to stop
    Worker(commands::worker::Arguments),
    /// Filter: payloads on standard input, topic and message on standard output; no Redis, no Kafka
    Enrich(commands::enrich::Arguments),
    /// Push lines onto the queue: from a file, standard input, or made-up ones
    Send(commands::send::Arguments),
}
