//! `invalid replay`, `invalid clear`: lines leave the list.

use std::io::{self, IsTerminal as _, Write as _};

use clap::Args;

use super::{Selection, Typed, away, find, not_there, parse_id};
use crate::commands::Failure;
use crate::queue::invalid::{self, Id, Take, Taking};

#[derive(Args)]
pub(super) struct Replay {
    /// Only this line, by its name as `list` shows it
    #[arg(long, value_name = "LINE", conflicts_with = "reason", value_parser = parse_id)]
    line: Option<Id>,

    /// Push this in its place; \xFF is a byte that cannot be typed
    #[arg(long, value_name = "TEXT", requires = "line")]
    mended: Option<Typed>,

    #[command(flatten)]
    selection: Selection,
}

#[derive(Args)]
pub(super) struct Clear {
    /// Only this line, by its name as `list` shows it
    #[arg(long, value_name = "LINE", conflicts_with = "reason", value_parser = parse_id)]
    line: Option<Id>,

    /// Do not ask
    #[arg(long)]
    yes: bool,

    #[command(flatten)]
    selection: Selection,
}

impl Replay {
    pub(super) async fn run(&self) -> Result<(), Failure> {
        match self.line {
            Some(id) => one(&self.selection, Take::Replay, id, self.mended.as_ref()).await,
            None => all(&self.selection, Take::Replay).await,
        }
    }
}

impl Clear {
    pub(super) async fn run(&self) -> Result<(), Failure> {
        if !self.is_confirmed()? {
            eprintln!("nothing was thrown away");
            return Ok(());
        }
        match self.line {
            Some(id) => one(&self.selection, Take::Clear, id, None).await,
            None => all(&self.selection, Take::Clear).await,
        }
    }

    fn is_confirmed(&self) -> Result<bool, Failure> {
        if self.yes {
            return Ok(true);
        }
        if !io::stdin().is_terminal() || !io::stderr().is_terminal() {
            return Err(Failure::Usage("invalid clear: this cannot be undone, say --yes".to_owned()));
        }
        match self.line {
            Some(id) => eprint!("Throw {id} away for good? [y/N] "),
            None => eprint!("Throw all {} away for good? [y/N] ", self.selection.words()),
        }
        let mut answer = String::new();
        io::stdin().read_line(&mut answer)?;
        Ok(matches!(answer.trim().to_lowercase().as_str(), "y" | "yes"))
    }
}

async fn one(selection: &Selection, what: Take, id: Id, mended: Option<&Typed>) -> Result<(), Failure> {
    let (mut link, entry) = find(&selection.servers()?, id).await?;
    let server = link.server().clone();
    let is_taken = invalid::take_one(&mut link, what, entry.id, mended.map(|Typed(line)| line.as_slice()))
        .await
        .map_err(|error| away(&server, &error))?;
    if !is_taken {
        return Err(not_there(id));
    }
    say(what, server.name(), &server.keys().queue, &id.to_string())
}

async fn all(selection: &Selection, what: Take) -> Result<(), Failure> {
    for server in selection.servers()? {
        let taking = Taking::new(what, selection.reason());
        let taken = taking.all(&mut server.link()).await.map_err(|error| away(&server, &error))?;
        say(what, server.name(), &server.keys().queue, &format!("{taken} {}", selection.words()))?;
    }
    Ok(())
}

fn say(what: Take, server: &str, queue: &str, lines: &str) -> Result<(), Failure> {
    match what {
        Take::Replay => writeln!(io::stdout(), "{server}: {lines} put back on {queue}")?,
        Take::Clear => writeln!(io::stdout(), "{server}: {lines} thrown away")?,
    }
    Ok(())
}
