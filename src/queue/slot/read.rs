//! How the lines of a batch are read.

use super::super::batch::{Batch, Range, TOMBSTONE, from_end};
use super::{Error, Slot, parse_entry};

/// About how much is read by one call.
const PART_BYTES: usize = 1024 * 1024;
/// Lines that one call reads at most.
const PART_LINES: usize = 1000;
/// Lines of the first part: how long they are is known only then, and each may be 100 kB.
const FIRST_LINES: usize = 50;

impl Slot {
    /// Reads the lines of a batch with their places in it; rejected ones are left out.
    ///
    /// # Errors
    /// When Redis does not answer.
    pub async fn read(&mut self, batch: &Batch) -> Result<Vec<(usize, Vec<u8>)>, Error> {
        let mut range = batch.entry.lines.clone();
        let lines = loop {
            let lines = self.read_range(&range).await?;
            if lines.len() == range.count() {
                break lines;
            }
            // Others have overtaken it by far: then it was given a list of its own.
            let mut pipeline = redis::pipe();
            pipeline.hget(&self.server().keys().batches, batch.field());
            let (entry,): (Option<String>,) = self.link.query(&pipeline).await?;
            let now = entry.map(|entry| parse_entry(&entry)).transpose()?.map(|entry| entry.lines);
            match now {
                Some(now) if now != range => range = now,
                _ => break lines,
            }
        };
        Ok(lines.into_iter().enumerate().filter(|(_, line)| line != TOMBSTONE).collect())
    }

    async fn read_range(&mut self, range: &Range) -> Result<Vec<Vec<u8>>, Error> {
        let key = self.server().keys().inflight(&range.list);
        let mut lines: Vec<Vec<u8>> = Vec::with_capacity(range.count());
        let (mut bytes, mut at_once) = (0, FIRST_LINES);
        while lines.len() < range.count() {
            let from = range.from - lines.len();
            let to = range.to.max(from.saturating_sub(at_once));
            let mut pipeline = redis::pipe();
            pipeline.lrange(&key, from_end(from), from_end(to + 1));
            let (part,): (Vec<Vec<u8>>,) = self.link.query(&pipeline).await?;
            let is_whole = part.len() == from - to;
            bytes += part.iter().map(Vec::len).sum::<usize>();
            lines.extend(part);
            if !is_whole {
                break;
            }
            let mean = bytes / lines.len() + 1;
            at_once = (PART_BYTES / mean).clamp(1, PART_LINES);
        }
        Ok(lines)
    }
}
