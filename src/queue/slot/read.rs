//! How the lines of a batch are read. How long they are nobody knows before: so they are read in parts, and what is too much
//! for one batch becomes the next.

use super::super::batch::{Batch, TOMBSTONE, from_end};
use super::super::scripts;
use super::{CALL_LINES, Error, Slot, from_values, parse_entry, status};

/// A batch whose lines take more is cut short.
const BATCH_MAX_BYTES: usize = 8 * 1024 * 1024;
/// About how much is read by one call.
const PART_BYTES: usize = 1024 * 1024;
/// Lines of the first part: each may be 100 kB.
const FIRST_LINES: usize = 50;

impl Slot {
    /// Reads the lines of a batch with their places in it; rejected ones are left out. A batch of more than 8 MiB is cut
    /// short: the slot's next one has what it leaves.
    ///
    /// # Errors
    /// When the lease is lost or Redis does not answer.
    pub async fn read(&mut self, batch: &mut Batch) -> Result<Vec<(usize, Vec<u8>)>, Error> {
        let mut lines: Vec<Vec<u8>> = Vec::with_capacity(batch.entry.lines.count());
        let mut bytes = 0;
        let mut at_once = FIRST_LINES;
        while lines.len() < batch.entry.lines.count() {
            if bytes >= BATCH_MAX_BYTES && self.shorten(batch, lines.len()).await? {
                break;
            }
            let range = &batch.entry.lines;
            let from = range.from - lines.len();
            let to = range.to.max(from.saturating_sub(at_once));
            let mut pipeline = redis::pipe();
            pipeline.lrange(self.server().keys().inflight(&range.list), from_end(from), from_end(to + 1));
            let (part,): (Vec<Vec<u8>>,) = self.link.query(&pipeline).await?;
            if part.is_empty() {
                break;
            }
            bytes += part.iter().map(Vec::len).sum::<usize>();
            lines.extend(part);
            let line = bytes / lines.len() + 1;
            at_once = (PART_BYTES / line).clamp(1, CALL_LINES);
        }
        Ok(lines.into_iter().enumerate().filter(|(_, line)| line != TOMBSTONE).collect())
    }

    /// Leaves a batch its first lines; says whether it has no more than those now.
    async fn shorten(&mut self, batch: &mut Batch, lines: usize) -> Result<bool, Error> {
        let keys = self.server().keys().clone();
        let mut script = scripts::SHORTEN.prepare_invoke();
        script
            .key(&keys.batches)
            .key(&keys.seq)
            .key(self.lease.key())
            .arg(self.lease.token())
            .arg(self.number)
            .arg(batch.seq)
            .arg(batch.seq + 1)
            .arg(lines);
        let answer = self.call(&script).await?;
        if status(&answer) != "ok" {
            return Ok(false);
        }
        let (_, entry): (String, String) = from_values(answer)?;
        batch.entry = parse_entry(&entry)?;
        Ok(true)
    }
}
