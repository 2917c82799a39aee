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
    /// Health and queue depths over HTTP
    Web(commands::web::Arguments),
    /// Worker and web at once, on a Redis and a Kafka of their own with made-up traffic; to try things out
    Dev(Box<commands::dev::Arguments>),
    /// Filter: payloads on standard input, topic and message on standard output; no Redis, no Kafka
    Enrich(commands::enrich::Arguments),
    /// Push lines onto the queue: from a file, standard input, or made-up ones
    Send(commands::send::Arguments),
    /// Read enriched messages back from Kafka, decoded, as they come
    Tail(commands::tail::Arguments),
    /// Try every setting of a worker for real, and say what to mend
    Check(commands::check::Arguments),
    /// Write a .env file with every setting, keeping what is set in the one that is there
    Env(commands::env::Arguments),
    /// How many lines wait, are in flight, are invalid; which workers live
    Status(commands::status::Arguments),
    /// Make all workers stop taking lines; what is in flight is finished
    Pause(commands::pause::Arguments),
    /// Let paused workers go on
    Resume(commands::pause::Arguments),
    /// The rejected lines: look at them, send them through again, throw them away
    Invalid(commands::invalid::Arguments),
    /// Put lines in flight back at the head of the queue; before going back to the original, when no worker runs
    GiveBack(commands::give_back::Arguments),
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory as _;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }
}
