//! How the lines of a batch are read.

use super::super::batch::{Batch, FORMAT, Range, TOMBSTONE, from_end};
use super::{Error, Slot, parse_entry};

/// About how much is read by one call.
const PART_BYTES: usize = 1024 * 1024;
/// Lines that one call reads at most.
const PART_LINES: usize = 1000;
/// Lines of the first part: how long they are is known only then, and each may be 100 kB.
const FIRST_LINES: usize = 50;

enum Found {
    Lines(Vec<Vec<u8>>),
    /// The batch stands in another list by now.
    Elsewhere(Range),
}

impl Slot {
    /// Reads the lines of a batch with their places in it; rejected ones are left out.
    ///
    /// # Errors
    /// When Redis does not answer.
    pub async fn read(&mut self, batch: &Batch) -> Result<Vec<(usize, Vec<u8>)>, Error> {
        let mut range = batch.entry.lines.clone();
        let lines = loop {
            match self.read_range(batch, &range).await? {
                Found::Lines(lines) => break lines,
                Found::Elsewhere(now) => range = now,
            }
        };
        Ok(lines.into_iter().enumerate().filter(|(_, line)| line != TOMBSTONE).collect())
    }

    /// Reads a range while it is where the batch stands: it may be given a list of its own at any time.
    async fn read_range(&mut self, batch: &Batch, range: &Range) -> Result<Found, Error> {
        let keys = self.server().keys().clone();
        let mut lines: Vec<Vec<u8>> = Vec::with_capacity(range.count());
        let (mut bytes, mut at_once) = (0, FIRST_LINES);
        while lines.len() < range.count() {
            let from = range.from - lines.len();
            let to = range.to.max(from.saturating_sub(at_once));
            let mut pipeline = redis::pipe();
            pipeline
                .lrange(keys.inflight(&range.list), from_end(from), from_end(to + 1))
                // After the lines: while the record names a list, places in that list stay.
                .hget(&keys.batches, batch.field());
            let (part, entry): (Vec<Vec<u8>>, Option<String>) = self.link.query(&pipeline).await?;
            if let Some(entry) = entry {
                let entry = parse_entry(&entry)?;
                // One of a format before has no range: Redis has forgotten that it was taken over.
                if entry.format == FORMAT && entry.lines != *range {
                    return Ok(Found::Elsewhere(entry.lines));
                }
            }
            if part.is_empty() {
                break;
            }
            bytes += part.iter().map(Vec::len).sum::<usize>();
            lines.extend(part);
            let mean = bytes / lines.len() + 1;
            at_once = (PART_BYTES / mean).clamp(1, PART_LINES);
        }
        Ok(Found::Lines(lines))
    }
}
