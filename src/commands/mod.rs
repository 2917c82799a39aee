//! One command a file.

pub mod enrich;
pub mod send;
pub mod worker;

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
        Self::Unavailable(error.to_string())
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

/// Stops a worker at SIGTERM or SIGINT; a second one ends the program at once.
async fn stop_at_signal(stopper: Stopper) -> std::io::Result<()> {
    use tokio::signal::unix::{SignalKind, signal};
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut next = async || {
        tokio::select! {
            _ = terminate.recv() => "SIGTERM",
            _ = interrupt.recv() => "SIGINT",
        }
    };
    let signal = next().await;
    tracing::info!(signal, "stopping");
    stopper.stop();
    next().await;
    std::process::exit(130);
}
