//! `pause` and `resume`: workers stop reserving, and go on.

use std::io::Write as _;

use clap::Args;

use super::Failure;
use crate::queue::{self, status};

#[derive(Args)]
pub struct Arguments {
    #[command(flatten)]
    redis: queue::Settings,
}

/// Pauses or resumes the queue on every server, and says what changed.
///
/// # Errors
/// When a server does not answer; the others are paused or resumed all the same.
pub async fn run(arguments: &Arguments, pause: bool) -> Result<(), Failure> {
    let servers = arguments.redis.servers().map_err(Failure::Setting)?;
    let mut failures = Vec::new();
    for server in &servers {
        match status::set_paused(&mut server.link(), pause).await {
            Ok(changed) => {
                let (name, queue) = (server.name(), &server.keys().queue);
                writeln!(std::io::stdout(), "{name}: {queue} {}", outcome(pause, changed))?;
            }
            Err(error) => failures.push(format!("{}: {error}", server.name())),
        }
    }
    if failures.is_empty() { Ok(()) } else { Err(Failure::Unavailable(failures.join("; "))) }
}

fn outcome(pause: bool, changed: bool) -> &'static str {
    match (pause, changed) {
        (true, true) => "is paused: workers finish what is in flight and take nothing more",
        (true, false) => "was paused before",
        (false, true) => "goes on",
        (false, false) => "was not paused",
    }
}
