//! A program that moves the lines, as it is started.

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;

use crate::bare_copy;
use crate::harness::{Launch, Program, Signal};
use crate::servers::Servers;

pub const AT_LEAST_ONCE: &str = "at-least-once";
pub const EXACTLY_ONCE: &str = "exactly-once";

const START_TIMEOUT: Duration = Duration::from_secs(60);
const END_TIMEOUT: Duration = Duration::from_secs(20);

/// What workers and copies are told alike.
#[derive(Args, Clone)]
pub struct Settings {
    /// How record batches are compressed: none, gzip, snappy, lz4, zstd
    #[arg(long, value_name = "CODEC", default_value = "none")]
    pub compression: String,

    /// A further variable for the workers; the copies read it too, for what concerns Kafka
    #[arg(long, value_name = "NAME=VALUE", value_parser = parse_variable)]
    pub variable: Vec<(String, String)>,
}

fn parse_variable(text: &str) -> Result<(String, String), String> {
    let (name, value) = text.split_once('=').ok_or("NAME=VALUE is needed")?;
    Ok((name.to_owned(), value.to_owned()))
}

/// One program or more of the same kind.
#[derive(Clone)]
pub struct Contender {
    pub name: &'static str,
    pub is_copy: bool,
    executable: PathBuf,
    arguments: Vec<String>,
    variables: Vec<(&'static str, String)>,
    processes: usize,
    /// What it says when it is ready.
    started: &'static str,
}

impl Contender {
    /// A bare copy with so many loops.
    pub fn copy(name: &'static str, loops: usize) -> Contender {
        Contender {
            name,
            is_copy: true,
            executable: std::env::current_exe().expect("we are running"),
            arguments: vec![bare_copy::COMMAND.to_owned(), format!("--loops={loops}")],
            variables: Vec::new(),
            processes: 1,
            started: bare_copy::STARTED,
        }
    }

    /// A worker that delivers as its name says.
    pub fn worker(delivery: &'static str) -> Contender {
        Contender {
            name: delivery,
            is_copy: false,
            executable: env!("CARGO_BIN_EXE_kafkastore").into(),
            arguments: vec!["worker".to_owned()],
            variables: vec![("DELIVERY", delivery.to_owned())],
            processes: 1,
            started: "worker started",
        }
    }

    /// The same with so many lanes for each server.
    pub fn with_lanes(mut self, lanes: usize) -> Contender {
        self.variables.push(("LANES", lanes.to_string()));
        self
    }

    /// So many of the same side by side.
    pub fn times(mut self, processes: usize) -> Contender {
        self.processes = processes;
        self
    }

    /// Starts the programs, and returns when they say that they are ready.
    pub fn start(&self, servers: &Servers, settings: &Settings) -> Vec<Program> {
        let arguments: Vec<&str> = self.arguments.iter().map(String::as_str).collect();
        let (redis_url, kafka_url) = (servers.redis_url(), servers.kafka.bootstrap());
        let launch = || {
            let given = settings.variable.iter().map(|(name, value)| (name.as_str(), value.as_str()));
            let own = self.variables.iter().map(|(name, value)| (*name, value.as_str()));
            let variables: Vec<(&str, &str)> = given.chain(own).collect();
            Launch::of(&self.executable, &arguments)
                .variables(&[
                    ("REDIS_URL", &redis_url),
                    ("KAFKA_URL", &kafka_url),
                    ("KAFKA_COMPRESSION", &settings.compression),
                ])
                .variables(&variables)
                .start()
        };
        let programs: Vec<Program> = (0..self.processes).map(|_| launch()).collect();
        for program in &programs {
            program.wait_for_line(self.started, START_TIMEOUT);
        }
        programs
    }
}

/// Ends programs as they are ended when they are to leave nothing behind.
pub fn stop(programs: Vec<Program>) {
    for program in programs {
        program.signal(Signal::TERM);
        program.wait(END_TIMEOUT);
    }
}
