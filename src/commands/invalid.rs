//! `invalid`: the rejected lines: listed, sent through again, thrown away.

use std::collections::VecDeque;
use std::io::{self, IsTerminal as _, Write as _};

use clap::builder::PossibleValuesParser;
use clap::{Args, Subcommand};

use super::Failure;
use super::terminal::{DIM, PLAIN, YELLOW, harmless};
use crate::payload::Reason;
use crate::queue::invalid::{self, Record, Take};
use crate::queue::{self, Server};
use crate::settings::whole_number;
use crate::utc::Utc;

#[derive(Args)]
pub struct Arguments {
    #[command(subcommand)]
    action: Action,
}

#[derive(Subcommand)]
enum Action {
    /// Show rejected lines, the oldest first
    List(List),
    /// Put rejected lines back on the queue, at its tail
    Replay(Selection),
    /// Throw rejected lines away for good
    Clear(Clear),
}

#[derive(Args)]
struct List {
    /// Print the records as they are stored, one JSON object a line
    #[arg(long)]
    json: bool,

    /// Show the newest so many of each server only
    #[arg(long, value_name = "LINES", value_parser = whole_number(1..=usize::MAX))]
    limit: Option<usize>,

    #[command(flatten)]
    selection: Selection,
}

#[derive(Args)]
struct Clear {
    /// Do not ask
    #[arg(long)]
    yes: bool,

    #[command(flatten)]
    selection: Selection,
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

    fn includes(&self, record: &Record) -> bool {
        self.reason.as_ref().is_none_or(|reason| *reason == record.reason)
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
/// When a server does not answer, or nobody has said yes to `clear`.
pub async fn run(arguments: Arguments) -> Result<(), Failure> {
    match arguments.action {
        Action::List(list) => list.run().await,
        Action::Replay(selection) => take(&selection, Take::Replay).await,
        Action::Clear(clear) => {
            if !clear.is_confirmed()? {
                eprintln!("nothing was thrown away");
                return Ok(());
            }
            take(&clear.selection, Take::Clear).await
        }
    }
}

impl List {
    async fn run(&self) -> Result<(), Failure> {
        let mut foreign = 0;
        for server in self.selection.servers()? {
            foreign += self.list(&server).await?;
        }
        if foreign > 0 {
            eprintln!("{foreign} entries of the list are no records of ours, and are not shown");
        }
        Ok(())
    }

    /// Gives the number of entries that are no records.
    async fn list(&self, server: &Server) -> Result<usize, Failure> {
        let mut link = server.link();
        let mut output = anstream::stdout();
        let mut newest = VecDeque::new();
        let (mut first, mut foreign) = (0, 0);
        loop {
            let (records, looked_at) =
                invalid::read(&mut link, first).await.map_err(|error| away(server, &error))?;
            if looked_at == 0 {
                break;
            }
            first += looked_at;
            foreign += looked_at - records.len();
            for (_, raw, record) in records {
                if !self.selection.includes(&record) {
                    continue;
                }
                match self.limit {
                    None => self.show(&mut output, &raw, &record)?,
                    Some(limit) => {
                        newest.push_back((raw, record));
                        if newest.len() > limit {
                            newest.pop_front();
                        }
                    }
                }
            }
        }
        for (raw, record) in newest {
            self.show(&mut output, &raw, &record)?;
        }
        output.flush()?;
        Ok(foreign)
    }

    fn show(&self, output: &mut impl io::Write, raw: &str, record: &Record) -> io::Result<()> {
        if self.json { writeln!(output, "{raw}") } else { output.write_all(shown(record).as_bytes()) }
    }
}

impl Clear {
    fn is_confirmed(&self) -> Result<bool, Failure> {
        if self.yes {
            return Ok(true);
        }
        if !io::stdin().is_terminal() || !io::stderr().is_terminal() {
            return Err(Failure::Usage("invalid clear: this cannot be undone, say --yes".to_owned()));
        }
        eprint!("Throw all {} away for good? [y/N] ", self.selection.words());
        let mut answer = String::new();
        io::stdin().read_line(&mut answer)?;
        Ok(matches!(answer.trim().to_lowercase().as_str(), "y" | "yes"))
    }
}

async fn take(selection: &Selection, what: Take) -> Result<(), Failure> {
    let reason = selection.reason.as_deref();
    for server in selection.servers()? {
        let taken =
            invalid::take(&mut server.link(), reason, what).await.map_err(|error| away(&server, &error))?;
        let (name, queue, words) = (server.name(), &server.keys().queue, selection.words());
        match what {
            Take::Replay => writeln!(io::stdout(), "{name}: {taken} {words} put back on {queue}")?,
            Take::Clear => writeln!(io::stdout(), "{name}: {taken} {words} thrown away")?,
        }
    }
    Ok(())
}

fn away(server: &Server, error: &redis::RedisError) -> Failure {
    Failure::Unavailable(format!("{}: {error}", server.name()))
}

/// A record for people: what is wrong, then the line itself.
fn shown(record: &Record) -> String {
    let at = Utc::at(record.at.try_into().unwrap_or_default());
    let payload = record.payload().unwrap_or_default();
    format!(
        "{DIM}{at}{PLAIN} {YELLOW}{}{PLAIN} {}\n    {}\n",
        harmless(&record.reason),
        harmless(&record.detail),
        harmless(&String::from_utf8_lossy(&payload))
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::payload::Rejection;

    #[test]
    fn a_record_is_shown_without_what_steers_a_terminal() {
        let rejection = Rejection::new(Reason::Ip, "not an address: x");
        let record = Record::new(&rejection, 1_465_287_057, b"x 1 inapp /t p \x1b[2J");
        let shown = anstream::adapter::strip_str(&shown(&record)).to_string();
        assert_eq!(shown, "2016-06-07 08:10:57 ip not an address: x\n    x 1 inapp /t p \\u{1b}[2J\n");
    }
}
