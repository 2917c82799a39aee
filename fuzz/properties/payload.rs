//! The payload parser, and the message that comes of what it accepts.

use std::net::IpAddr;

use kafkastore::enrich::Explained;
use kafkastore::message::Message;
use kafkastore::payload::layout::Layout;
use kafkastore::payload::{Reason, Rejection, is_legal_topic};
use kafkastore::queue::invalid::Record;

use super::{CACHE, ENRICHER, RESERVED_AT, device_of, fields};

/// A line is rejected with its reason, or becomes a message from which every field comes back.
pub fn holds(line: &[u8]) {
    let mut message = b"before".to_vec();
    let outcome =
        CACHE.with(|cache| ENRICHER.enrich(&mut cache.borrow_mut(), line, RESERVED_AT, &mut message));
    let written = message.strip_prefix(b"before").expect("what stood there before is untouched");
    match outcome {
        Ok(topic) => {
            assert!(is_legal_topic(topic));
            is_readable(written);
            let explained = ENRICHER.explain(line, RESERVED_AT).unwrap();
            assert_eq!(explained.message, written, "people are shown what Kafka gets");
            says_what_the_payload_said(written, &explained);
        }
        Err(rejection) => {
            assert_eq!(written, b"", "a rejected line leaves nothing behind");
            is_told(&rejection, line);
            assert!(Layout::of(line, Some(rejection.reason)).offending.is_some());
        }
    }
}

/// Consumers split at white space and read UTF-8.
fn is_readable(message: &[u8]) {
    let text = std::str::from_utf8(message).unwrap();
    assert_eq!(text.matches(' ').count(), 2);
    assert!(!text.bytes().any(|byte| byte.is_ascii_control()));
}

fn says_what_the_payload_said(written: &[u8], explained: &Explained<'_>) {
    let Explained { payload, device, country, .. } = explained;
    let message = Message::parse(written).unwrap();
    assert!(comes_from(message.path.as_bytes(), payload.path));
    assert!(comes_from(message.params.as_bytes(), payload.params));
    assert!(!message.params.is_empty());
    let ip = match payload.address {
        IpAddr::V4(address) => u128::from(address.to_bits()),
        IpAddr::V6(address) => address.to_bits(),
    };
    assert_eq!(message.ip, ip);
    assert_eq!(message.ts, payload.epoch);
    assert_eq!(message.klag, RESERVED_AT - payload.epoch);
    assert_eq!(message.country, country.map(|code| code.to_string()));
    assert_eq!(device_of(&message), fields(device));
}

/// Whether `written` is `original` byte for byte, but for control bytes and bytes that are not UTF-8, which are
/// percent-encoded.
fn comes_from(written: &[u8], original: &[u8]) -> bool {
    let mut rest = written;
    for chunk in original.utf8_chunks() {
        for &byte in chunk.valid().as_bytes() {
            let expected = if byte.is_ascii_control() { encoded(byte) } else { vec![byte] };
            let Some(behind) = rest.strip_prefix(expected.as_slice()) else { return false };
            rest = behind;
        }
        for &byte in chunk.invalid() {
            let Some(behind) = rest.strip_prefix(encoded(byte).as_slice()) else { return false };
            rest = behind;
        }
    }
    rest.is_empty()
}

fn encoded(byte: u8) -> Vec<u8> {
    format!("%{byte:02X}").into_bytes()
}

/// A person can read why, and the invalid list gives the line back whole.
fn is_told(rejection: &Rejection, line: &[u8]) {
    assert!(!matches!(rejection.reason, Reason::Kafka | Reason::Crash));
    assert!(!rejection.detail.is_empty() && !rejection.detail.contains(char::is_control));
    let record = Record::new(rejection, RESERVED_AT, line);
    assert_eq!(record.payload().unwrap(), line);
    assert!(record.to_json().contains(&format!("\"reason\":\"{}\"", rejection.reason)));
}
