//! One rejected line.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use serde::{Deserialize, Serialize};

use crate::payload::{Reason, Rejection};

/// A line with its reason.
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

    /// Nothing where this release knows no such reason.
    pub fn known_reason(&self) -> Option<Reason> {
        Reason::named(&self.reason)
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

#[cfg(test)]
mod tests {
    use super::*;

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
