//! `bin/bench` and what follows it.

use clap::{Args, Parser, Subcommand};

use crate::contender::{AT_LEAST_ONCE, EXACTLY_ONCE, Settings};

/// Measures Kafkastore against a bare copy, on a real Redis and a real Apache Kafka.
///
/// Without a command it is the run of record, some 20 minutes with the usual rounds: throughput; the same with user agents
/// never seen before; latency; and whether the targets are met. Let the machine do nothing else meanwhile.
#[derive(Parser)]
#[command(
    name = "bin/bench",
    bin_name = "bin/bench",
    args_conflicts_with_subcommands = true,
    disable_help_subcommand = true
)]
pub struct CommandLine {
    #[command(subcommand)]
    pub command: Option<Command>,
    #[command(flatten)]
    pub record: Record,
}

#[derive(Subcommand)]
pub enum Command {
    /// Bare copies with one and two loops, at least once, exactly once: rate, CPU, memory (8 minutes)
    Throughput(Throughput),
    /// From push to readable at 1, 10 and 50 % of the highest rate, in both ways of delivering (4 minutes)
    Latency(Latency),
    /// What an event costs with 1, 2, 4 lanes; 1, 2, 4 workers; 1, 3 Redis servers; a hundredth, once and ten times as
    /// many lines in the queue. Ten times the lines take 4 GB of Redis's memory (20 minutes)
    Scaling(Scaling),
    /// Push to readable at a steady rate, without and with many who ask the web process (2 minutes)
    WebLoad(WebLoad),
}

#[derive(Args)]
pub struct Record {
    #[arg(long, default_value_t = 15)]
    pub rounds: usize,
    /// Lines in a run
    #[arg(long, default_value_t = 1_000_000)]
    pub lines: u64,
    /// Share of user agents that no line had before, in the second part
    #[arg(long, value_name = "SHARE", default_value_t = 0.2)]
    pub fresh_agents: f64,
    /// Write docs/bench/README.md and its figures
    #[arg(long)]
    pub write: bool,
    #[command(flatten)]
    pub settings: Settings,
}

#[derive(Args)]
pub struct Throughput {
    #[arg(long, default_value_t = 15)]
    pub rounds: usize,
    /// Lines in a run
    #[arg(long, default_value_t = 1_000_000)]
    pub lines: u64,
    /// Share of user agents that no line had before
    #[arg(long, value_name = "SHARE", default_value_t = 0.0)]
    pub fresh_agents: f64,
    #[command(flatten)]
    pub settings: Settings,
}

#[derive(Args)]
pub struct Latency {
    #[command(flatten)]
    pub settings: Settings,
}

#[derive(Args)]
pub struct Scaling {
    #[arg(long, default_value_t = 5)]
    pub rounds: usize,
    /// Lines in the queue where nothing else is said
    #[arg(long, default_value_t = 1_000_000)]
    pub lines: u64,
    #[arg(long, value_name = "MODE", default_value = AT_LEAST_ONCE, value_parser = [AT_LEAST_ONCE, EXACTLY_ONCE])]
    pub delivery: String,
    /// Write docs/bench/scaling.md
    #[arg(long)]
    pub write: bool,
    #[command(flatten)]
    pub settings: Settings,
}

#[derive(Args)]
pub struct WebLoad {
    #[command(flatten)]
    pub settings: Settings,
}
