//! Rejected lines leave the list: back to the queue, or away. One call moves them in one step, so that whatever breaks
//! in between, a line that is replayed is never in both lists or in none.

use redis::RedisError;

use super::id::Id;
use super::read::{Entry, find, newer};
use crate::payload::Reason;
use crate::queue::batch::TOMBSTONE;
use crate::queue::scripts;
use crate::queue::server::Link;

/// How often a line is looked for again that moved between the look and the step.
const TRIES: usize = 3;

/// What to do with the lines that are taken off the list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Take {
    /// Back to the tail of the queue.
    Replay,
    /// Away for good.
    Clear,
}

/// All lines that there are, or all with a reason, being taken, the oldest first, one call at a time. Lines that are
/// rejected meanwhile are left for the next time.
#[derive(Debug)]
pub struct Taking {
    what: Take,
    reason: Option<Reason>,
    first: usize,
    /// Lines that were there at the beginning and have not been looked at; unknown before the first call.
    left: Option<usize>,
    taken: u64,
}

impl Taking {
    pub fn new(what: Take, reason: Option<Reason>) -> Self {
        Self { what, reason, first: 0, left: None, taken: 0 }
    }

    /// Lines taken by the calls that were answered.
    pub fn taken(&self) -> u64 {
        self.taken
    }

    /// Takes some lines, and says whether there are more to look at.
    ///
    /// # Errors
    /// When Redis does not answer; the lines of this call then stand where they stood, or all of them are taken.
    pub async fn step(&mut self, link: &mut Link) -> Result<bool, RedisError> {
        let left = match self.left {
            Some(left) => left,
            None => length(link).await?,
        };
        let found = newer(link, self.first, left, self.reason).await?;
        let taken = run(link, self.what, found.entries.iter().filter_map(move_of)).await?;
        self.taken += taken;
        self.first += found.looked_at.saturating_sub(usize::try_from(taken).unwrap_or(usize::MAX));
        let left = left.saturating_sub(found.looked_at);
        self.left = Some(left);
        Ok(left > 0 && found.looked_at > 0)
    }

    /// Takes all of them, and gives their number.
    ///
    /// # Errors
    /// When Redis does not answer; what was taken before stays taken.
    pub async fn all(mut self, link: &mut Link) -> Result<u64, RedisError> {
        while self.step(link).await? {}
        Ok(self.taken)
    }
}

async fn length(link: &mut Link) -> Result<usize, RedisError> {
    let mut pipeline = redis::pipe();
    pipeline.llen(&link.server().keys().invalid);
    let (length,): (usize,) = link.query(&pipeline).await?;
    Ok(length)
}

/// Takes one line, and says whether it was there. `mended` is pushed in place of the line that is replayed.
///
/// # Errors
/// When Redis does not answer; the line then stands where it stood, or is taken.
pub async fn take_one(
    link: &mut Link,
    what: Take,
    id: Id,
    mended: Option<&[u8]>,
) -> Result<bool, RedisError> {
    for _ in 0..TRIES {
        let Some(entry) = find(link, id).await? else { return Ok(false) };
        let Some(mut step) = move_of(&entry) else { return Ok(false) };
        if let Some(mended) = mended {
            step.payload = mended.to_vec();
        }
        if run(link, what, [step]).await? > 0 {
            return Ok(true);
        }
    }
    Ok(false)
}

struct Move<'a> {
    index: usize,
    record: &'a str,
    /// What is pushed in its place.
    payload: Vec<u8>,
}

fn move_of(entry: &Entry) -> Option<Move<'_>> {
    Some(Move { index: entry.id.index, record: &entry.text, payload: entry.record.payload()? })
}

async fn run<'a>(
    link: &mut Link,
    what: Take,
    moves: impl IntoIterator<Item = Move<'a>>,
) -> Result<u64, RedisError> {
    let keys = link.server().keys().clone();
    let mut script = scripts::TAKE_INVALID.prepare_invoke();
    script.key(&keys.invalid).key(&keys.queue).arg(TOMBSTONE).arg(u8::from(what == Take::Replay));
    let mut lines = 0;
    for one in moves {
        script.arg(one.index).arg(one.record).arg(one.payload);
        lines += 1;
    }
    if lines == 0 {
        return Ok(0);
    }
    link.run(&script).await
}
