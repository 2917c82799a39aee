//! `send`: pushes lines onto the queue, as a tracker does.

use std::fs::File;
use std::io::{self, BufRead, BufReader};
use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use indicatif::{ProgressBar, ProgressStyle};
use tokio::time::Instant;

use super::Failure;
use crate::queue::{self, Link};
use crate::sample::{Mix, Sample};
use crate::settings::whole_number;

/// Lines that go to Redis in one call.
const LINES_A_PUSH: usize = 1000;
/// Bytes that go to Redis in one call, about.
const BYTES_A_PUSH: usize = 1024 * 1024;

#[derive(Args)]
pub struct Arguments {
    /// File with one payload a line; '-' or nothing is standard input
    #[arg(value_name = "FILE", conflicts_with = "sample")]
    file: Option<PathBuf>,

    /// Send that many made-up lines instead
    #[arg(long, value_name = "LINES")]
    sample: Option<u64>,

    /// The same seed makes the same lines, but for the time in them
    #[arg(long, value_name = "SEED", default_value_t = 1)]
    seed: u64,

    /// The time in made-up lines, in seconds since 1970 [default: now]
    #[arg(long, value_name = "EPOCH")]
    epoch: Option<u64>,

    /// Share of made-up lines with a user agent that no line had before, 0 to 1
    #[arg(long, value_name = "SHARE", default_value_t = 0.0, value_parser = parse_share)]
    fresh_agents: f64,

    /// Share of made-up lines that no worker can accept, 0 to 1
    #[arg(long, value_name = "SHARE", default_value_t = 0.0, value_parser = parse_share)]
    bad_lines: f64,

    /// Send so many lines a second at most
    #[arg(long, value_name = "LINES", value_parser = whole_number(1..=10_000_000_u32))]
    rate: Option<u32>,

    /// Print the lines instead of sending them
    #[arg(long)]
    print: bool,

    #[command(flatten)]
    redis: queue::Settings,
}

fn parse_share(text: &str) -> Result<f64, String> {
    let share = text.parse().ok().filter(|share| (0.0..=1.0).contains(share));
    share.ok_or_else(|| "a number from 0 to 1 is allowed".to_owned())
}

/// Sends all lines there are, round robin over the servers, as trackers do.
///
/// # Errors
/// When the file cannot be read or Redis does not take a line; what was sent before stays sent.
pub async fn run(arguments: Arguments) -> Result<(), Failure> {
    let mut lines = lines(&arguments)?;
    if arguments.print {
        return print(&mut *lines);
    }
    let servers = arguments.redis.servers().map_err(Failure::Setting)?;
    let mut links: Vec<Link> = servers.iter().map(queue::Server::link).collect();
    let progress = progress(arguments.sample);
    let started_at = Instant::now();
    let mut sent = 0_u64;
    let lines_a_push =
        arguments.rate.map_or(LINES_A_PUSH, |rate| (rate as usize / 20).clamp(1, LINES_A_PUSH));
    for turn in 0.. {
        let batch = take_batch(&mut *lines, lines_a_push)?;
        if batch.is_empty() {
            break;
        }
        let link = &mut links[turn % servers.len()];
        push(link, &batch).await.map_err(|error| {
            Failure::Unavailable(format!("{}: {error} (after {sent} lines)", link.server().name()))
        })?;
        sent += batch.len() as u64;
        progress.set_position(sent);
        if let Some(rate) = arguments.rate {
            tokio::time::sleep_until(started_at + Duration::from_secs_f64(sent as f64 / f64::from(rate)))
                .await;
        }
    }
    progress.finish_and_clear();
    eprintln!("{sent} lines sent to {}", arguments.redis.queue);
    Ok(())
}

type Lines = dyn Iterator<Item = io::Result<Vec<u8>>>;

fn lines(arguments: &Arguments) -> Result<Box<Lines>, Failure> {
    if let Some(count) = arguments.sample {
        let mix = Mix { fresh_agents: arguments.fresh_agents, bad_lines: arguments.bad_lines };
        let mut sample = Sample::new(arguments.seed, mix);
        let epoch = arguments.epoch;
        return Ok(Box::new((0..count).map(move |_| {
            let mut line = Vec::with_capacity(512);
            sample.write_line(epoch.unwrap_or_else(epoch_seconds), &mut line);
            Ok(line)
        })));
    }
    match &arguments.file {
        Some(path) if path.as_os_str() != "-" => {
            let file = File::open(path)
                .map_err(|error| Failure::Unavailable(format!("{}: {error}", path.display())))?;
            Ok(Box::new(BufReader::new(file).split(b'\n')))
        }
        _ => Ok(Box::new(BufReader::new(io::stdin()).split(b'\n'))),
    }
}

fn take_batch(lines: &mut Lines, most: usize) -> io::Result<Vec<Vec<u8>>> {
    let mut batch = Vec::new();
    let mut bytes = 0;
    while batch.len() < most && bytes < BYTES_A_PUSH {
        let Some(line) = lines.next() else { break };
        let line = line?;
        bytes += line.len();
        batch.push(line);
    }
    Ok(batch)
}

/// Pushes lines in one call.
pub(super) async fn push(link: &mut Link, lines: &[Vec<u8>]) -> Result<(), redis::RedisError> {
    let mut pipeline = redis::pipe();
    pipeline.rpush(&link.server().keys().queue, lines).ignore();
    link.query(&pipeline).await
}

fn print(lines: &mut Lines) -> Result<(), Failure> {
    use io::Write as _;
    let mut output = io::BufWriter::new(io::stdout().lock());
    let printed = || {
        for line in lines {
            output.write_all(&line?)?;
            output.write_all(b"\n")?;
        }
        output.flush()
    };
    match printed() {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        other => Ok(other?),
    }
}

/// Draws on a terminal only.
fn progress(lines: Option<u64>) -> ProgressBar {
    let Some(lines) = lines else { return ProgressBar::new_spinner() };
    let style = ProgressStyle::with_template("{bar:40} {human_pos}/{human_len} {per_sec} {eta}");
    ProgressBar::new(lines).with_style(style.expect("a literal template"))
}

fn epoch_seconds() -> u64 {
    let now = std::time::SystemTime::now();
    now.duration_since(std::time::UNIX_EPOCH).unwrap_or_default().as_secs()
}
