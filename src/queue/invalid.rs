//! The list of rejected lines: each a JSON object with `reason`, `detail`, `at` and the payload.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use serde::{Deserialize, Serialize};

use super::batch::TOMBSTONE;
use super::scripts;
use super::server::Link;
use crate::payload::Rejection;

/// How many lines one call reads, replays or clears.
const CALL_LINES: usize = 500;

/// One rejected line.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Record {
    pub reason: String,
    pub detail: String,
    /// When it was rejected, in seconds since 1970.
    pub at: i64,
    #[serde(skip_serializing_if = "Option::is_none")]
    payload: Option<String>,
    /// Stands in for `payload` where that is not UTF-8.
    #[serde(skip_serializing_if = "Option::is_none")]
    payload_base64: Option<String>,
}

impl Record {
    pub fn new(rejection: &Rejection, at: i64, payload: &[u8]) -> Self {
        let text = std::str::from_utf8(payload).ok();
        Self {
            reason: rejection.reason.to_string(),
            detail: rejection.detail.clone(),
            at,
            payload: text.map(str::to_owned),
            payload_base64: text.is_none().then(|| BASE64.encode(payload)),
        }
    }

    /// As it stands in the list.
    pub fn to_json(&self) -> String {
        serde_json::to_string(self).expect("strings and a number")
    }

    /// The line as the tracker pushed it; nothing where the record is not one of ours.
    pub fn payload(&self) -> Option<Vec<u8>> {
        match (&self.payload, &self.payload_base64) {
            (Some(text), _) => Some(text.clone().into_bytes()),
            (None, Some(encoded)) => BASE64.decode(encoded).ok(),
            (None, None) => None,
        }
    }
}

/// What to do with the lines that are taken off the list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Take {
    /// Back to the tail of the queue.
    Replay,
    /// Away for good.
    Clear,
}

/// Reads the lines from `first` on, oldest first, and says how many it looked at; foreign entries are left out.
///
/// # Errors
/// When Redis does not answer.
pub async fn read(
    link: &mut Link,
    first: usize,
) -> Result<(Vec<(usize, String, Record)>, usize), redis::RedisError> {
    let key = link.server().keys().invalid.clone();
    let mut pipeline = redis::pipe();
    let place = |index: usize| isize::try_from(index).unwrap_or(isize::MAX);
    pipeline.lrange(&key, place(first), place(first + CALL_LINES - 1));
    let (raw,): (Vec<Vec<u8>>,) = link.query(&pipeline).await?;
    let looked_at = raw.len();
    let records = raw
        .into_iter()
        .enumerate()
        .filter_map(|(offset, text)| {
            let text = String::from_utf8(text).ok()?;
            let record = serde_json::from_str(&text).ok()?;
            Some((first + offset, text, record))
        })
        .collect();
    Ok((records, looked_at))
}

/// Takes all lines with `reason` (all there are without one) off the list; a line that is replayed is never in both
/// lists or in none. Lines that are rejected meanwhile are left for the next time. Gives the number taken.
///
/// # Errors
/// When Redis does not answer; what was taken before stays taken.
pub async fn take(link: &mut Link, reason: Option<&str>, what: Take) -> Result<u64, redis::RedisError> {
    let keys = link.server().keys().clone();
    let mut pipeline = redis::pipe();
    pipeline.llen(&keys.invalid);
    let (mut left,): (usize,) = link.query(&pipeline).await?;
    let mut first = 0;
    let mut total = 0;
    while left > 0 {
        let (mut records, looked_at) = read(link, first).await?;
        if looked_at == 0 {
            break;
        }
        records.retain(|(index, _, record)| {
            *index < first + left && reason.is_none_or(|reason| reason == record.reason)
        });
        left = left.saturating_sub(looked_at);
        let mut script = scripts::TAKE_INVALID.prepare_invoke();
        script.key(&keys.invalid).key(&keys.queue).arg(TOMBSTONE).arg(u8::from(what == Take::Replay));
        let mut chosen = 0;
        for (index, text, record) in &records {
            if let Some(payload) = record.payload() {
                script.arg(index).arg(text).arg(payload);
                chosen += 1;
            }
        }
        let taken: u64 = if chosen == 0 { 0 } else { link.run(&script).await? };
        total += taken;
        first += looked_at - usize::try_from(taken).unwrap_or(looked_at);
    }
    Ok(total)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::payload::Reason;

    #[test]
    fn a_record_gives_the_payload_back_byte_for_byte() {
        let rejection = Rejection::new(Reason::Ip, "not an address");
        for payload in [&b""[..], b"unknown 1 clicks / p", b"\xff\xfe\0 quote\" \\ \n"] {
            let text = Record::new(&rejection, 5, payload).to_json();
            let record: Record = serde_json::from_str(&text).unwrap();
            assert_eq!(record.payload().as_deref(), Some(payload));
        }
    }

    #[test]
    fn a_record_is_plain_json() {
        let record = Record::new(&Rejection::new(Reason::Path, "why"), 5, b"raw");
        assert_eq!(record.to_json(), r#"{"reason":"path","detail":"why","at":5,"payload":"raw"}"#);
        let record = Record::new(&Rejection::new(Reason::Path, "why"), 5, b"\xff");
        assert_eq!(record.to_json(), r#"{"reason":"path","detail":"why","at":5,"payload_base64":"/w=="}"#);
    }
}
