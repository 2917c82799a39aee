//! `invalid`: the rejected lines: listed, counted, explained, sent through again, thrown away.

mod explain;
mod list;
mod take;

use std::str::FromStr;

use clap::builder::PossibleValuesParser;
use clap::{Args, Subcommand};

use super::Failure;
use crate::payload::Reason;
use crate::queue::invalid::{self, Entry, Id};
use crate::queue::{self, Link, Server};
use crate::visible;

#[derive(Args)]
pub struct Arguments {
    #[command(subcommand)]
    action: Action,
}

#[derive(Subcommand)]
enum Action {
    /// Show rejected lines, the oldest first; each begins with its name
    List(list::List),
    /// How many there are of each reason
    Count(list::Count),
    /// Show one with its fields, and what becomes of it, or would if it were mended
    Explain(explain::Explain),
    /// Put rejected lines back on the queue, at its tail
    Replay(take::Replay),
    /// Throw rejected lines away for good
    Clear(take::Clear),
}

#[derive(Args)]
struct Selection {
    /// Only lines that were rejected for this reason
    #[arg(long, value_name = "REASON", value_parser = PossibleValuesParser::new(Reason::ALL.map(Reason::as_str)))]
    reason: Option<String>,

    #[command(flatten)]
    redis: queue::Settings,
}

impl Selection {
    fn servers(&self) -> Result<Vec<Server>, Failure> {
        self.redis.servers().map_err(Failure::Setting)
    }

    fn reason(&self) -> Option<Reason> {
        self.reason.as_deref().and_then(Reason::named)
    }

    /// `lines rejected for "ip"`, to be said to the user.
    fn words(&self) -> String {
        match &self.reason {
            Some(reason) => format!("lines rejected for \"{reason}\""),
            None => "rejected lines".to_owned(),
        }
    }
}

/// Does what was asked for, on every server.
///
/// # Errors
/// When a server does not answer, a line is not there, or nobody has said yes to `clear`.
pub async fn run(arguments: Arguments) -> Result<(), Failure> {
    match arguments.action {
        Action::List(list) => list.run().await,
        Action::Count(count) => count.run().await,
        Action::Explain(explain) => explain.run().await,
        Action::Replay(replay) => replay.run().await,
        Action::Clear(clear) => clear.run().await,
    }
}

/// Looks for one line on each server in turn.
async fn find(servers: &[Server], id: Id) -> Result<(Link, Entry), Failure> {
    for server in servers {
        let mut link = server.link();
        let found = invalid::find(&mut link, id).await.map_err(|error| away(server, &error))?;
        if let Some(entry) = found {
            return Ok((link, entry));
        }
    }
    Err(not_there(id))
}

fn not_there(id: Id) -> Failure {
    Failure::Unavailable(format!("{id}: that line is not in the list any more"))
}

fn away(server: &Server, error: &redis::RedisError) -> Failure {
    Failure::Unavailable(format!("{}: {error}", server.name()))
}

fn parse_id(text: &str) -> Result<Id, String> {
    text.parse().map_err(|error: invalid::NoId| error.to_string())
}

/// A line that somebody has typed as `list` shows it, with `\xFF` for a byte that cannot be typed.
#[derive(Clone)]
struct Typed(Vec<u8>);

impl FromStr for Typed {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let line = visible::read_back(text);
        queue::batch::may_be_pushed(&line).then_some(Self(line)).ok_or("no tracker can send this line")
    }
}
