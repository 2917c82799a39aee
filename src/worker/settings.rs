//! How many lanes, how large a batch, how long a stop may take.

use std::time::Duration;

use clap::Args;

use crate::kafka::exactly_once;
use crate::kafka::settings::parse_topic;
use crate::queue::Delivery;
use crate::settings::whole_number;
use crate::{enrich, kafka, queue};

/// More lanes than this bring nothing on one machine.
const MOST_LANES_BY_DEFAULT: usize = 4;
/// While one lane waits for its commit the others work: so many keep the machine busy.
const EXACTLY_ONCE_LANES: usize = 4;
const BATCH_SIZE: usize = 3000;
/// A commit takes tens of milliseconds whatever the batch.
const EXACTLY_ONCE_BATCH_SIZE: usize = 20_000;

#[derive(Args, Clone)]
#[command(next_help_heading = "Worker")]
#[group(skip)]
pub struct Settings {
    /// What is promised of each line
    #[arg(long, env = "DELIVERY", value_name = "MODE", value_enum, default_value = "at-least-once")]
    pub delivery: Delivery,

    /// Lines that are reserved and acknowledged together, at most [default: 3000; exactly-once: 20000]
    #[arg(
        long,
        env = "BATCH_SIZE",
        value_name = "LINES",
        value_parser = whole_number(1..=100_000_usize)
    )]
    batch_size: Option<usize>,

    /// Lanes that work side by side, for each Redis server [default: one a core, at most 4; exactly-once: 4]
    #[arg(
        long,
        env = "LANES",
        value_name = "LANES",
        value_parser = whole_number(1..=64_usize)
    )]
    lanes: Option<usize>,

    /// Seconds that what is in flight may take when the worker is to stop
    #[arg(
        long,
        env = "SHUTDOWN_TIMEOUT",
        value_name = "SECONDS",
        default_value = "4",
        value_parser = whole_number(0..=3600_u64)
    )]
    shutdown_timeout: u64,

    /// A Kafka topic that gets the rejected lines as well
    #[arg(long, env = "INVALID_TOPIC", value_name = "TOPIC", value_parser = parse_topic)]
    invalid_topic: Option<String>,

    #[command(flatten)]
    pub redis: queue::Settings,
    #[command(flatten)]
    pub kafka: kafka::Settings,
    #[command(flatten)]
    pub exactly_once: exactly_once::Settings,
    #[command(flatten)]
    pub enrich: enrich::Settings,
}

impl Settings {
    /// Lanes for each server.
    pub fn lanes(&self) -> usize {
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        self.lanes.unwrap_or(match self.delivery {
            Delivery::AtLeastOnce => cores.min(MOST_LANES_BY_DEFAULT),
            Delivery::ExactlyOnce => EXACTLY_ONCE_LANES,
        })
    }

    /// Lines in a batch, at most.
    pub fn batch_size(&self) -> usize {
        self.batch_size.unwrap_or(match self.delivery {
            Delivery::AtLeastOnce => BATCH_SIZE,
            Delivery::ExactlyOnce => EXACTLY_ONCE_BATCH_SIZE,
        })
    }

    pub fn shutdown_timeout(&self) -> Duration {
        Duration::from_secs(self.shutdown_timeout)
    }

    /// The topic of rejected lines, with the prefix.
    pub fn invalid_topic(&self) -> Option<String> {
        self.invalid_topic.as_ref().map(|topic| format!("{}{topic}", self.kafka.kafka_prefix))
    }

    /// Topics that no line is for, with the prefix.
    pub fn own_topics(&self) -> Vec<String> {
        let offsets = format!("{}{}", self.kafka.kafka_prefix, self.exactly_once.offsets_topic);
        self.invalid_topic().into_iter().chain([offsets]).collect()
    }

    /// What a user should know of these settings at start.
    pub fn warnings(&self) -> Vec<String> {
        let mut warnings = [self.redis.warnings(), self.kafka.warnings()].concat();
        warnings.extend(self.enrich.warnings());
        warnings
    }
}
