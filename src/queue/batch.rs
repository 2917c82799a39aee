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
pub const FORMAT: u32 = 1;

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

/// What the hash of batches holds for one:
/// `<format> <reserved at, µs> <mode> <take-overs> <line suspected before> <line under suspicion>`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    pub format: u32,
    /// By the clock of Redis, in microseconds since 1970.
    pub reserved_at_us: i64,
    pub mode: Delivery,
    pub takeovers: u32,
}

#[derive(Debug, thiserror::Error)]
#[error("not the record of a batch: {0:?}")]
pub struct NoEntry(String);

impl FromStr for Entry {
    type Err = NoEntry;

    fn from_str(text: &str) -> Result<Self, NoEntry> {
        let no_entry = || NoEntry(text.to_owned());
        let words: Vec<&str> = text.split(' ').collect();
        let &[format, reserved_at_us, mode, takeovers, _before, _now] = words.as_slice() else {
            return Err(no_entry());
        };
        Ok(Self {
            format: format.parse().map_err(|_| no_entry())?,
            reserved_at_us: reserved_at_us.parse().map_err(|_| no_entry())?,
            mode: Delivery::ALL.into_iter().find(|known| known.as_str() == mode).ok_or_else(no_entry)?,
            takeovers: takeovers.parse().map_err(|_| no_entry())?,
        })
    }
}

/// Lines that stand in an in-flight list. They leave it by [`Slot::acknowledge`](super::Slot::acknowledge) alone;
/// one that is dropped is found again by recovery.
#[derive(Debug, Clone)]
#[must_use = "a batch stays in flight until it is acknowledged"]
pub struct Batch {
    pub slot: u64,
    pub seq: u64,
    /// Lines in the list, tombstones among them; unknown (0) before a batch that was taken over is read.
    pub len: usize,
    /// Memory that the list takes in Redis.
    pub bytes: usize,
    pub entry: Entry,
    /// A line at which two take-overs in a row ended.
    pub convicted: Option<usize>,
}

impl Batch {
    /// Its name in the hash of batches, and behind the prefix of the in-flight lists.
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
        let entry: Entry = "1 1465287057000001 at-least-once 2 - 17".parse().unwrap();
        let expected = Entry {
            format: 1,
            reserved_at_us: 1_465_287_057_000_001,
            mode: Delivery::AtLeastOnce,
            takeovers: 2,
        };
        assert_eq!(entry, expected);
        assert!("1 2 3".parse::<Entry>().is_err());
        assert!("1 2 at-most-once 0 - -".parse::<Entry>().is_err());
    }
}
