//! `invalid list`, `invalid count`: what is there.

use std::collections::BTreeMap;
use std::io::{self, Write};

use clap::Args;
use serde_json::json;

use super::{Selection, away};
use crate::commands::Failure;
use crate::commands::terminal::{DIM, PLAIN, YELLOW, harmless};
use crate::payload::Reason;
use crate::queue::invalid::{self, Counts, Entry};
use crate::queue::{self, Server};
use crate::settings::whole_number;
use crate::utc::Utc;
use crate::visible;

#[derive(Args)]
pub(super) struct List {
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
pub(super) struct Count {
    /// Print one JSON object for each server
    #[arg(long)]
    json: bool,

    #[command(flatten)]
    redis: queue::Settings,
}

impl List {
    pub(super) async fn run(&self) -> Result<(), Failure> {
        let mut foreign = 0;
        for server in self.selection.servers()? {
            foreign += match self.limit {
                None => self.all(&server).await?,
                Some(limit) => self.newest(&server, limit).await?,
            };
        }
        if foreign > 0 {
            eprintln!("{foreign} entries of the list are no records of ours, and are not shown");
        }
        Ok(())
    }

    /// Gives the number of entries that are no records.
    async fn all(&self, server: &Server) -> Result<usize, Failure> {
        let (mut link, mut output) = (server.link(), anstream::stdout());
        let (mut next, mut foreign) = (Some(0), 0);
        while let Some(first) = next {
            let found = invalid::newer(&mut link, first, usize::MAX, self.selection.reason())
                .await
                .map_err(|error| away(server, &error))?;
            for entry in &found.entries {
                self.show(&mut output, entry)?;
            }
            foreign += found.foreign;
            next = found.next;
        }
        output.flush()?;
        Ok(foreign)
    }

    /// The same for the newest lines.
    async fn newest(&self, server: &Server, limit: usize) -> Result<usize, Failure> {
        let (mut link, mut output) = (server.link(), anstream::stdout());
        let (mut newest, mut foreign, mut last) = (Vec::new(), 0, None);
        while newest.len() < limit {
            let found = invalid::older(&mut link, last, limit - newest.len(), self.selection.reason())
                .await
                .map_err(|error| away(server, &error))?;
            newest.extend(found.entries);
            foreign += found.foreign;
            last = found.next;
            if last.is_none() {
                break;
            }
        }
        for entry in newest.iter().rev() {
            self.show(&mut output, entry)?;
        }
        output.flush()?;
        Ok(foreign)
    }

    fn show(&self, output: &mut impl Write, entry: &Entry) -> io::Result<()> {
        if self.json { writeln!(output, "{}", entry.text) } else { output.write_all(shown(entry).as_bytes()) }
    }
}

impl Count {
    pub(super) async fn run(&self) -> Result<(), Failure> {
        let mut output = anstream::stdout();
        for server in self.redis.servers().map_err(Failure::Setting)? {
            let mut link = server.link();
            let mut counts = Counts::default();
            let mut next = Some(0);
            while let Some(first) = next {
                next = invalid::count(&mut link, first, &mut counts)
                    .await
                    .map_err(|error| away(&server, &error))?;
            }
            if self.json {
                writeln!(output, "{}", to_json(&server, &counts))?;
            } else {
                write!(output, "{}", table(&server, &counts))?;
            }
        }
        Ok(output.flush()?)
    }
}

fn to_json(server: &Server, counts: &Counts) -> serde_json::Value {
    let reasons: BTreeMap<&str, u64> =
        Reason::ALL.into_iter().map(|reason| (reason.as_str(), counts.of(reason))).collect();
    json!({ "server": server.name(), "reasons": reasons, "other": counts.other, "total": counts.total() })
}

fn table(server: &Server, counts: &Counts) -> String {
    let known = Reason::ALL.into_iter().map(|reason| (reason.as_str(), counts.of(reason)));
    let rows = known.chain([("no record of ours", counts.other)]).filter(|(_, lines)| *lines > 0);
    let rows: String = rows.map(|(label, lines)| format!("  {label:<18}{lines:>9}\n")).collect();
    format!("{}: {} rejected lines\n{rows}", server.name(), counts.total())
}

/// A record for people: its name and what is wrong, then the line itself, as it can be typed.
pub(super) fn shown(entry: &Entry) -> String {
    let record = &entry.record;
    let at = Utc::at(record.at.try_into().unwrap_or_default());
    let payload = record.payload().unwrap_or_default();
    format!(
        "{DIM}{} {at}{PLAIN} {YELLOW}{}{PLAIN} {}\n    {}\n",
        entry.id,
        harmless(&record.reason),
        harmless(&record.detail),
        visible::typed(&payload)
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::payload::Rejection;
    use crate::queue::invalid::{Id, Record};

    #[test]
    fn a_record_is_shown_without_what_steers_a_terminal() {
        let rejection = Rejection::new(Reason::Ip, "not an address: x");
        let record = Record::new(&rejection, 1_465_287_057, b"x 1 inapp /t p \x1b[2J\xff");
        let text = record.to_json();
        let entry = Entry { id: Id::new(7, &text), text, record };
        let shown = anstream::adapter::strip_str(&shown(&entry)).to_string();
        let rest = shown.strip_prefix(&entry.id.to_string()).unwrap();
        assert_eq!(rest, " 2016-06-07 08:10:57 ip not an address: x\n    x 1 inapp /t p \\x1B[2J\\xFF\n");
    }
}
