//! One command a file.

pub mod check;
pub mod dev;
pub mod enrich;
pub mod env;
pub mod give_back;
pub mod invalid;
pub mod pause;
pub mod send;
pub mod status;
pub mod tail;
mod terminal;
pub mod web;
pub mod worker;

use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::settings::Variables;
use crate::worker::{Stopper, WorkerError};

/// How a command ended when it did not do what was asked; one plain line for the user.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// The command line makes no sense.
    #[error("{0}")]
    Usage(String),
    /// Something needed is not there.
    #[error("{0}")]
    Unavailable(String),
    /// A setting is wrong: names the variable, and what is allowed.
    #[error("{0}")]
    Setting(String),
    /// Whoever read our output has enough; that is no failure, but nothing is left to do.
    #[error("nobody reads the output any more")]
    OutputClosed,
}

impl From<WorkerError> for Failure {
    fn from(error: WorkerError) -> Self {
        match error {
            WorkerError::Setting(line) => Self::Setting(line),
            other => Self::Unavailable(other.to_string()),
        }
    }
}

impl From<std::io::Error> for Failure {
    fn from(error: std::io::Error) -> Self {
        match error.kind() {
            std::io::ErrorKind::BrokenPipe => Self::OutputClosed,
            _ => Self::Unavailable(error.to_string()),
        }
    }
}

impl From<redis::RedisError> for Failure {
    fn from(error: redis::RedisError) -> Self {
        Self::Unavailable(format!("redis: {error}"))
    }
}

/// Says at start what a user should know of his settings.
fn tell(warnings: Vec<String>, variables: &Variables) {
    for warning in warnings {
        tracing::warn!("{warning}");
    }
    let useless = variables.useless();
    if !useless.is_empty() {
        tracing::info!(variables = useless.join(", "), "set, but of no use any more");
    }
}

/// SIGTERM and SIGINT, heeded from the moment this is made.
struct Signals {
    terminate: Signal,
    interrupt: Signal,
}

impl Signals {
    fn watch() -> std::io::Result<Self> {
        let (terminate, interrupt) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
        Ok(Self { terminate, interrupt })
    }

    /// Returns when one has come, and says which.
    async fn any(&mut self) -> &'static str {
        tokio::select! {
            _ = self.terminate.recv() => "SIGTERM",
            _ = self.interrupt.recv() => "SIGINT",
        }
    }
}

/// Returns at SIGINT: whoever presses Ctrl-C again is in a hurry. SIGTERM does not say that: Heroku may send it twice,
/// and foreman sends it after a Ctrl-C that has reached us already.
async fn hurried() -> std::io::Result<()> {
    signal(SignalKind::interrupt())?.recv().await;
    Ok(())
}

/// Stops a worker at SIGTERM or SIGINT; a SIGINT after that ends the program at once.
async fn stop_at_signal(stopper: Stopper) -> std::io::Result<()> {
    let signal = Signals::watch()?.any().await;
    tracing::info!(signal, "stopping");
    stopper.stop();
    hurried().await?;
    std::process::exit(130);
}
