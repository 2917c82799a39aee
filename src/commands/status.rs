//! `status`: how full everything is, server by server.

use std::fmt::Write as _;
use std::io::{IsTerminal as _, Write as _};
use std::time::Duration;

use clap::Args;
use indicatif::{HumanCount, HumanDuration};

use super::Failure;
use super::terminal::{BOLD, DIM, GREEN, PLAIN, RED, YELLOW};
use crate::queue::status::{FRESH_SECONDS, Status, Worker};
use crate::queue::{self, Link};
use crate::settings::whole_number;

/// To the upper left corner, and everything below it away.
const CLEAR_SCREEN: &str = "\x1b[H\x1b[J";

#[derive(Args)]
pub struct Arguments {
    /// Print a JSON array with an object for each server
    #[arg(long)]
    json: bool,

    /// Look again every so many seconds, 1 if not said, until it is interrupted
    #[arg(
        long,
        value_name = "SECONDS",
        num_args = 0..=1,
        default_missing_value = "1",
        value_parser = whole_number(1..=86_400_u64)
    )]
    watch: Option<u64>,

    #[command(flatten)]
    redis: queue::Settings,
}

/// What came of asking one server.
struct Reading {
    server: String,
    found: Result<Status, redis::RedisError>,
}

/// Shows all servers, once or over and over.
///
/// # Errors
/// When a server does not answer; the others are shown all the same.
pub async fn run(arguments: Arguments) -> Result<(), Failure> {
    let servers = arguments.redis.servers().map_err(Failure::Setting)?;
    let mut links: Vec<Link> = servers.iter().map(queue::Server::link).collect();
    loop {
        let readings = read_all(&mut links).await;
        let Some(seconds) = arguments.watch else {
            show(&readings, arguments.json, "")?;
            return all_answered(&readings);
        };
        let is_screen = !arguments.json && std::io::stdout().is_terminal();
        show(&readings, arguments.json, if is_screen { CLEAR_SCREEN } else { "" })?;
        tokio::time::sleep(Duration::from_secs(seconds)).await;
    }
}

/// Asks all servers at once, so that one that is away holds up nothing but the end.
async fn read_all(links: &mut Vec<Link>) -> Vec<Reading> {
    let asked: Vec<_> = links
        .drain(..)
        .map(|mut link| {
            tokio::spawn(async move {
                let found = queue::status::read(&mut link).await;
                (link, found)
            })
        })
        .collect();
    let mut readings = Vec::new();
    for answer in asked {
        let (link, found) = answer.await.expect("reading does not panic");
        readings.push(Reading { server: link.server().name().to_owned(), found });
        links.push(link);
    }
    readings
}

fn show(readings: &[Reading], is_json: bool, before: &str) -> Result<(), Failure> {
    let mut output = anstream::stdout().lock();
    if is_json {
        let answers: Vec<&Status> =
            readings.iter().filter_map(|reading| reading.found.as_ref().ok()).collect();
        writeln!(output, "{}", serde_json::to_string(&answers).expect("strings and numbers"))?;
    } else {
        let mut text = before.to_owned();
        for reading in readings {
            match &reading.found {
                Ok(status) => text.push_str(&table(status)),
                Err(error) => text.push_str(&format!(
                    "{BOLD}{}{PLAIN}\n  {RED}does not answer{PLAIN}: {error}\n",
                    reading.server
                )),
            }
        }
        output.write_all(text.as_bytes())?;
    }
    Ok(output.flush()?)
}

fn all_answered(readings: &[Reading]) -> Result<(), Failure> {
    let away: Vec<&str> = readings
        .iter()
        .filter(|reading| reading.found.is_err())
        .map(|reading| reading.server.as_str())
        .collect();
    if away.is_empty() {
        Ok(())
    } else {
        Err(Failure::Unavailable(format!("{}: no answer", away.join(", "))))
    }
}

fn table(status: &Status) -> String {
    let mut text = format!("{BOLD}{}{PLAIN}  {}\n", status.server, status.queue);
    let mut row = |name: &str, value: &str| {
        writeln!(text, "  {DIM}{name:<10}{PLAIN} {value}").expect("memory takes every write");
    };
    row("waiting", &format!("{}{}", HumanCount(status.depth), oldest(status)));
    row("in flight", &HumanCount(status.in_flight).to_string());
    row("invalid", &HumanCount(status.invalid).to_string());
    row("delivered", &HumanCount(status.delivered).to_string());
    row("rejected", &rejected(status));
    row("paused", &if status.is_paused { format!("{YELLOW}yes{PLAIN}") } else { "no".to_owned() });
    if status.workers.is_empty() {
        row("worker", &format!("{YELLOW}none{PLAIN}"));
    }
    for worker in &status.workers {
        row("worker", &worker_row(worker));
    }
    text
}

fn oldest(status: &Status) -> String {
    match status.oldest_seconds {
        Some(seconds) => format!(", the oldest is {} old", duration(seconds)),
        None if status.depth > 0 => ", the oldest is unreadable".to_owned(),
        None => String::new(),
    }
}

fn rejected(status: &Status) -> String {
    let total: u64 = status.rejected.values().sum();
    let reasons: Vec<String> =
        status.rejected.iter().map(|(reason, lines)| format!("{reason} {}", HumanCount(*lines))).collect();
    if reasons.is_empty() {
        "0".to_owned()
    } else {
        format!("{} ({})", HumanCount(total), reasons.join(", "))
    }
}

fn worker_row(worker: &Worker) -> String {
    let slots: Vec<String> = worker.said.slots.iter().map(ToString::to_string).collect();
    let slots = if slots.is_empty() { "no slot".to_owned() } else { format!("slots {}", slots.join(" ")) };
    let colour = if worker.last_heartbeat <= FRESH_SECONDS { GREEN } else { RED };
    format!(
        "{colour}{}{PLAIN}  {slots}, version {}, last heartbeat {} ago",
        worker.id,
        worker.said.version,
        duration(worker.last_heartbeat)
    )
}

fn duration(seconds: i64) -> String {
    HumanDuration(Duration::from_secs(seconds.unsigned_abs())).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::queue::status::Heartbeat;

    #[test]
    fn a_table_shows_what_there_is() {
        let said =
            Heartbeat { version: "1.2.3".into(), host: "h".into(), pid: 7, started_at: 0, slots: vec![0, 2] };
        let status = Status {
            now: 0,
            server: "localhost:6379".into(),
            queue: "click_queue".into(),
            depth: 1234,
            in_flight: 2,
            invalid: 3,
            oldest_seconds: Some(61),
            is_paused: true,
            delivered: 1_000_000,
            rejected: [("ip".to_owned(), 4), ("path".to_owned(), 1)].into(),
            workers: vec![Worker { id: "h-7-x".into(), last_heartbeat: 2, said }],
        };
        let shown = anstream::adapter::strip_str(&table(&status)).to_string();
        let expected = "localhost:6379  click_queue
  waiting    1,234, the oldest is 61 seconds old
  in flight  2
  invalid    3
  delivered  1,000,000
  rejected   5 (ip 4, path 1)
  paused     yes
  worker     h-7-x  slots 0 2, version 1.2.3, last heartbeat 2 seconds ago
";
        assert_eq!(shown, expected);
    }
}
