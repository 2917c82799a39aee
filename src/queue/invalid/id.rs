//! What a rejected line is called: it has no name of its own.

use std::fmt;
use std::str::FromStr;

use sha1_smol::Sha1;

/// Where a line stood in the list when it was seen, and a digest of its record: `17-8c1f3a90d2e4b756`.
///
/// Lines with the same record are copies of each other; it makes no difference which of them is meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Id {
    /// From the head of the list.
    pub index: usize,
    digest: u64,
}

#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("the name of a rejected line as the list shows it is needed, such as 17-8c1f3a90d2e4b756")]
pub struct NoId;

impl Id {
    pub fn new(index: usize, record: &str) -> Self {
        let digest = Sha1::from(record).digest().bytes();
        let (first, _) = digest.split_first_chunk().expect("a digest has 20 bytes");
        Self { index, digest: u64::from_be_bytes(*first) }
    }

    /// Whether both mean the same record, wherever it stands.
    pub fn is_same_record(&self, other: &Self) -> bool {
        self.digest == other.digest
    }
}

impl fmt::Display for Id {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}-{:016x}", self.index, self.digest)
    }
}

impl FromStr for Id {
    type Err = NoId;

    fn from_str(text: &str) -> Result<Self, NoId> {
        let (index, digest) = text.split_once('-').ok_or(NoId)?;
        let is_written_by_us = index.bytes().all(|byte| byte.is_ascii_digit())
            && digest.len() == 16
            && digest.bytes().all(|byte| byte.is_ascii_hexdigit());
        if !is_written_by_us {
            return Err(NoId);
        }
        let digest = u64::from_str_radix(digest, 16).map_err(|_| NoId)?;
        Ok(Self { index: index.parse().map_err(|_| NoId)?, digest })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_reads_back_and_tells_records_apart() {
        let id = Id::new(17, "record");
        assert_eq!(id.to_string().parse(), Ok(id));
        assert!(id.is_same_record(&Id::new(3, "record")));
        assert!(!id.is_same_record(&Id::new(17, "another")));
    }

    #[test]
    fn what_is_no_id_is_refused() {
        for text in [
            "",
            "17",
            "17-",
            "-8c1f3a90d2e4b756",
            "+1-8c1f3a90d2e4b756",
            "1-8c1f",
            "1-+c1f3a90d2e4b756",
            "99999999999999999999-8c1f3a90d2e4b756",
        ] {
            assert_eq!(text.parse::<Id>(), Err(NoId), "{text}");
        }
    }
}
