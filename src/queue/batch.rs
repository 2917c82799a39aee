//! A reserved batch, and what is on record about it in Redis.

use std::str::FromStr;

use clap::ValueEnum;

/// Stands where a line was rejected. It begins with a NUL byte, which no tracker can send.
pub const TOMBSTONE: &[u8] = b"\0kafkastore:rejected";

/// Whether a line that somebody has typed may be pushed: a tombstone would count as rejected, and be lost.
pub fn may_be_pushed(line: &[u8]) -> bool {
    line != TOMBSTONE
}

/// The version of [`Entry`]'s form. A worker leaves batches in any other alone.
pub const FORMAT: u32 = 2;

/// What is promised of each line. A batch is finished in the mode that it was reserved in, by whichever worker.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Delivery {
    AtLeastOnce,
    ExactlyOnce,
}

impl Delivery {
    pub const ALL: [Self; 2] = [Self::AtLeastOnce, Self::ExactlyOnce];

    /// As it stands in `DELIVERY`, and in Redis.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::AtLeastOnce => "at-least-once",
            Self::ExactlyOnce => "exactly-once",
        }
    }
}

/// Lines of an in-flight list: from the one that is `from`th from its end to the one before the `to`th. Counted so, a line
/// keeps its place when lines before it leave.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Range {
    /// The list's name behind the prefix of the in-flight lists: the batch that began it, or that it was made for.
    pub list: String,
    pub from: usize,
    pub to: usize,
}

impl Range {
    /// How many.
    pub fn count(&self) -> usize {
        self.from.saturating_sub(self.to)
    }
}

/// How Redis names a place in a list that is counted from its end.
pub(super) fn from_end(place: usize) -> isize {
    -isize::try_from(place).expect("no list holds so many lines")
}

impl FromStr for Range {
    type Err = NoEntry;

    /// Reads `<list> <from> <to>`.
    fn from_str(text: &str) -> Result<Self, NoEntry> {
        let words: Vec<&str> = text.split(' ').collect();
        let &[list, from, to] = words.as_slice() else { return Err(NoEntry(text.to_owned())) };
        let place = |word: &str| word.parse().map_err(|_| NoEntry(text.to_owned()));
        Ok(Self { list: list.to_owned(), from: place(from)?, to: place(to)? })
    }
}

/// What the hash of batches holds for one:
/// `<format> <reserved at, µs> <mode> <take-overs> <line suspected before> <line under suspicion> <list> <from> <to>`.
/// Format 1 had no range: its list was the batch's own. [`Slot::take_over`](super::Slot::take_over) adds it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    pub format: u32,
    /// By the clock of Redis, in microseconds since 1970.
    pub reserved_at_us: i64,
    pub mode: Delivery,
    pub takeovers: u32,
    pub lines: Range,
}

#[derive(Debug, thiserror::Error)]
#[error("not the record of a batch: {0:?}")]
pub struct NoEntry(String);

impl FromStr for Entry {
    type Err = NoEntry;

    fn from_str(text: &str) -> Result<Self, NoEntry> {
        let no_entry = || NoEntry(text.to_owned());
        let mut words = text.splitn(7, ' ');
        let mut word = || words.next().ok_or_else(no_entry);
        let (format, reserved_at_us, mode, takeovers, _before, _now) =
            (word()?, word()?, word()?, word()?, word()?, word()?);
        let format = format.parse().map_err(|_| no_entry())?;
        Ok(Self {
            format,
            reserved_at_us: reserved_at_us.parse().map_err(|_| no_entry())?,
            mode: Delivery::ALL.into_iter().find(|known| known.as_str() == mode).ok_or_else(no_entry)?,
            takeovers: takeovers.parse().map_err(|_| no_entry())?,
            lines: if format == 1 { Range::default() } else { word()?.parse()? },
        })
    }
}

/// Lines that stand in an in-flight list, until [`Slot::acknowledge`](super::Slot::acknowledge) or
/// [`Slot::give_back`](super::Slot::give_back); one that is dropped is found again by recovery.
#[derive(Debug, Clone)]
#[must_use = "a batch stays in flight until it is acknowledged"]
pub struct Batch {
    pub slot: u64,
    pub seq: u64,
    /// As it was reserved or taken over; its lines may be moved into a list of their own since.
    pub entry: Entry,
    /// A line at which two take-overs in a row ended.
    pub convicted: Option<usize>,
}

impl Batch {
    /// Its name in the hash of batches.
    pub fn field(&self) -> String {
        format!("{}:{}", self.slot, self.seq)
    }

    /// Seconds since 1970; what `klag` is measured from.
    pub fn reserved_at(&self) -> i64 {
        self.entry.reserved_at_us / 1_000_000
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entry_is_read_as_the_script_writes_it() {
        let entry: Entry =
            "2 1465287057000001 at-least-once 2 - 17 0:1465287057000001 90 10".parse().unwrap();
        let expected = Entry {
            format: 2,
            reserved_at_us: 1_465_287_057_000_001,
            mode: Delivery::AtLeastOnce,
            takeovers: 2,
            lines: Range { list: "0:1465287057000001".to_owned(), from: 90, to: 10 },
        };
        assert_eq!(entry, expected);
        assert!("1 2 3".parse::<Entry>().is_err());
        assert!("1 2 at-most-once 0 - -".parse::<Entry>().is_err());
        assert!("2 2 at-least-once 0 - -".parse::<Entry>().is_err());
        assert_eq!("1 2 at-least-once 0 - -".parse::<Entry>().unwrap().lines, Range::default());
    }
}
