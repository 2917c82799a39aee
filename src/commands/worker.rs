//! `worker`: the main job.

use clap::Args;

use super::{Failure, stop_at_signal, tell};
use crate::settings::Variables;
use crate::worker::{self, Settings, Stopper};

#[derive(Args, Clone)]
pub struct Arguments {
    #[command(flatten)]
    settings: Settings,
}

/// Runs until a signal says so.
///
/// # Errors
/// When a setting is wrong.
pub async fn run(arguments: Arguments, variables: &Variables) -> Result<(), Failure> {
    let settings = arguments.settings;
    tell(settings.warnings(), variables);
    let (stopper, stop) = Stopper::new(settings.shutdown_timeout());
    tokio::select! {
        ended = worker::run(&settings, stop) => Ok(ended?),
        failed = stop_at_signal(stopper) => Ok(failed?),
    }
}
