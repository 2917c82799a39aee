//! Rejected lines, some at a time: a call moves no more than so many lines and bytes, however long the list is.

use std::collections::BTreeMap;
use std::ops::AddAssign;

use redis::RedisError;

use super::id::Id;
use super::record::Record;
use crate::payload::Reason;
use crate::queue::scripts;
use crate::queue::server::Link;

/// How many lines one call looks at.
pub const CALL_LINES: usize = 500;
/// How many bytes one call gives, and one line more.
pub const CALL_BYTES: usize = 1024 * 1024;

/// A rejected line, and where it stands.
#[derive(Debug, Clone)]
pub struct Entry {
    pub id: Id,
    /// As it stands in the list.
    pub text: String,
    pub record: Record,
}

/// What one call found.
#[derive(Debug, Default)]
pub struct Portion {
    pub entries: Vec<Entry>,
    /// Lines that were looked at.
    pub looked_at: usize,
    /// Entries that are no records of ours; without a reason to look for only.
    pub foreign: usize,
    /// Where the next call begins, unless the end of the list was reached.
    pub next: Option<usize>,
}

/// Towards which end of the list.
#[derive(Clone, Copy)]
enum Towards {
    Head,
    Tail,
}

/// Gives lines from `first` on towards the newest: at most `CALL_LINES` are looked at, no more than `look_at`.
///
/// # Errors
/// When Redis does not answer.
pub async fn newer(
    link: &mut Link,
    first: usize,
    look_at: usize,
    reason: Option<Reason>,
) -> Result<Portion, RedisError> {
    read(link, first, Towards::Tail, look_at.min(CALL_LINES), CALL_LINES, reason).await
}

/// Gives at most `wanted` lines from `last` (the newest, where nothing is said) on towards the oldest.
///
/// # Errors
/// When Redis does not answer.
pub async fn older(
    link: &mut Link,
    last: Option<usize>,
    wanted: usize,
    reason: Option<Reason>,
) -> Result<Portion, RedisError> {
    read(link, last.unwrap_or(usize::MAX), Towards::Head, CALL_LINES, wanted, reason).await
}

async fn read(
    link: &mut Link,
    at: usize,
    towards: Towards,
    look_at: usize,
    wanted: usize,
    reason: Option<Reason>,
) -> Result<Portion, RedisError> {
    let invalid = link.server().keys().invalid.clone();
    let mut script = scripts::READ_INVALID.prepare_invoke();
    // Lua's numbers are exact up to 2^53 only; no list is that long.
    script.key(invalid).arg(at.min(1 << 52)).arg(match towards {
        Towards::Head => -1,
        Towards::Tail => 1,
    });
    script.arg(look_at).arg(wanted).arg(CALL_BYTES).arg(reason.map_or("", Reason::as_str));
    let (next, looked_at, raw): (i64, usize, Vec<(usize, Vec<u8>)>) = link.run(&script).await?;
    let mut found = Portion { looked_at, next: usize::try_from(next).ok(), ..Portion::default() };
    for (index, text) in raw {
        match entry(index, text) {
            Some(entry) => found.entries.push(entry),
            None => found.foreign += 1,
        }
    }
    Ok(found)
}

fn entry(index: usize, text: Vec<u8>) -> Option<Entry> {
    let text = String::from_utf8(text).ok()?;
    let record = serde_json::from_str(&text).ok()?;
    Some(Entry { id: Id::new(index, &text), text, record })
}

/// Finds a line again that was seen before: where it stood, or else on the way to the head.
///
/// # Errors
/// When Redis does not answer.
pub async fn find(link: &mut Link, id: Id) -> Result<Option<Entry>, RedisError> {
    // Mostly nothing has moved.
    let (mut at, mut wanted) = (Some(id.index), 1);
    while at.is_some() {
        let found = older(link, at, wanted, None).await?;
        let entry = found.entries.into_iter().find(|entry| entry.id.is_same_record(&id));
        if entry.is_some() {
            return Ok(entry);
        }
        (at, wanted) = (found.next, CALL_LINES);
    }
    Ok(None)
}

/// How many lines there are of each reason.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Counts {
    by_reason: BTreeMap<Reason, u64>,
    /// Entries that are no records of ours, or of a reason that this release does not know.
    pub other: u64,
}

impl Counts {
    pub fn of(&self, reason: Reason) -> u64 {
        self.by_reason.get(&reason).copied().unwrap_or_default()
    }

    /// All entries of the list.
    pub fn total(&self) -> u64 {
        self.by_reason.values().sum::<u64>() + self.other
    }

    fn add(&mut self, reason: &[u8], lines: u64) {
        match std::str::from_utf8(reason).ok().and_then(Reason::named) {
            Some(reason) => *self.by_reason.entry(reason).or_default() += lines,
            None => self.other += lines,
        }
    }
}

impl AddAssign for Counts {
    fn add_assign(&mut self, more: Self) {
        for (reason, lines) in more.by_reason {
            *self.by_reason.entry(reason).or_default() += lines;
        }
        self.other += more.other;
    }
}

/// Counts some lines from `first` on into `counts`, and says where to go on, unless that was the end of the list.
/// Nothing but the reasons leaves Redis.
///
/// # Errors
/// When Redis does not answer.
pub async fn count(link: &mut Link, first: usize, counts: &mut Counts) -> Result<Option<usize>, RedisError> {
    let invalid = link.server().keys().invalid.clone();
    let mut script = scripts::COUNT_INVALID.prepare_invoke();
    script.key(invalid).arg(first).arg(CALL_LINES);
    let (looked_at, by_reason): (usize, Vec<(Vec<u8>, u64)>) = link.run(&script).await?;
    for (reason, lines) in by_reason {
        counts.add(&reason, lines);
    }
    Ok((looked_at == CALL_LINES).then_some(first + looked_at))
}
