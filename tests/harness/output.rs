//! What a program writes, collected line by line.

use std::io::{BufRead, BufReader, Read};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use super::lock;

/// How many of the last lines are shown when something goes wrong.
const TAIL: usize = 60;

/// Where a line came from.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Stream {
    Out,
    Error,
}

/// Both streams, filled by a thread each.
#[derive(Default)]
pub struct Output {
    collected: Mutex<Collected>,
    grown: Condvar,
}

#[derive(Default)]
struct Collected {
    lines: Vec<(Stream, String)>,
    closed_streams: u8,
}

impl Output {
    /// Reads lines from `pipe` until it is closed.
    pub fn collect(self: &Arc<Output>, stream: Stream, pipe: impl Read + Send + 'static) {
        let output = Arc::clone(self);
        thread::spawn(move || {
            for line in BufReader::new(pipe).split(b'\n') {
                let Ok(line) = line else { break };
                lock(&output.collected).lines.push((stream, String::from_utf8_lossy(&line).into_owned()));
                output.grown.notify_all();
            }
            lock(&output.collected).closed_streams += 1;
            output.grown.notify_all();
        });
    }

    /// Returns the first line that contains `pattern`, or nothing when time is up or no more can come.
    pub fn find_line(&self, pattern: &str, timeout: Duration) -> Option<String> {
        let deadline = Instant::now() + timeout;
        let mut looked_at = 0;
        let mut collected = lock(&self.collected);
        loop {
            let found = collected.lines[looked_at..].iter().find(|(_, line)| line.contains(pattern));
            if let Some((_, line)) = found {
                return Some(line.clone());
            }
            looked_at = collected.lines.len();
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() || collected.closed_streams == 2 {
                return None;
            }
            collected = self.grown.wait_timeout(collected, left).unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    /// Waits until both streams are closed.
    ///
    /// Something that the program has started may hold its output open, so this does not wait for ever.
    pub fn wait_for_end(&self, timeout: Duration) {
        let collected = lock(&self.collected);
        let waited =
            self.grown.wait_timeout_while(collected, timeout, |collected| collected.closed_streams < 2);
        drop(waited);
    }

    pub fn text(&self, stream: Stream) -> String {
        let collected = lock(&self.collected);
        let lines = collected.lines.iter().filter(|(from, _)| *from == stream);
        lines.flat_map(|(_, line)| [line, "\n"]).collect()
    }

    /// Returns the last lines of both streams, for the message of a panic.
    pub fn tail(&self) -> String {
        let collected = lock(&self.collected);
        let first = collected.lines.len().saturating_sub(TAIL);
        let mut tail = format!("; the last of its {} lines:\n", collected.lines.len());
        for (stream, line) in &collected.lines[first..] {
            let mark = if *stream == Stream::Out { "out" } else { "err" };
            tail += &format!("  {mark}| {line}\n");
        }
        tail
    }
}
