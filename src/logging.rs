//! What goes to the log, in what form, and how often.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use clap::{Args, ValueEnum};
use tracing_subscriber::EnvFilter;
use tracing_subscriber::util::SubscriberInitExt as _;

/// The same trouble is told again after this long.
pub const TELL_AGAIN: Duration = Duration::from_secs(30);

/// When a trouble was told last.
#[derive(Debug, Default)]
pub struct Seldom(Mutex<Option<Instant>>);

impl Seldom {
    /// Whether it is time to tell it; then it counts as told.
    pub fn is_due(&self) -> bool {
        let mut told_at = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let is_due = told_at.is_none_or(|at| at.elapsed() >= TELL_AGAIN);
        if is_due {
            *told_at = Some(Instant::now());
        }
        is_due
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    Text,
    Json,
}

#[derive(Args, Debug, Clone)]
#[command(next_help_heading = "Log")]
#[group(skip)]
pub struct Settings {
    /// Form of the log's lines
    #[arg(
        long,
        env = "LOG_FORMAT",
        value_name = "FORMAT",
        value_enum,
        default_value = "text",
        global = true
    )]
    log_format: Format,

    /// What is logged: a level (error, warn, info, debug, trace), or levels by module
    #[arg(
        long,
        env = "RUST_LOG",
        value_name = "FILTER",
        default_value = "info",
        value_parser = parse_filter,
        global = true
    )]
    log_filter: String,
}

fn parse_filter(text: &str) -> Result<String, String> {
    let wrong = "a level (error, warn, info, debug, trace) or module=level by commas is allowed";
    EnvFilter::builder().parse(text).map(|_| text.to_owned()).map_err(|_| wrong.to_owned())
}

impl Settings {
    /// Starts the log, on standard error.
    ///
    /// # Errors
    /// When it was started before.
    pub fn start(&self) -> Result<(), String> {
        let filter = EnvFilter::builder().parse_lossy(&self.log_filter);
        let log = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
        let is_terminal = std::io::IsTerminal::is_terminal(&std::io::stderr());
        match self.log_format {
            Format::Text => log.with_ansi(is_terminal).with_target(false).finish().try_init(),
            Format::Json => log.json().flatten_event(true).with_target(false).finish().try_init(),
        }
        .map_err(|error| error.to_string())
    }
}
