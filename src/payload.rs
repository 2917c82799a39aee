//! The raw line that a tracker pushes, taken apart and checked.
//!
//! `<ip> <epoch seconds> <topic> <path> <params> <user agent ...>`: bytes, not always UTF-8, in fields parted as
//! Ruby's `String#split` parts them, because the program of 2016 did.

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::fmt;
use std::net::IpAddr;

mod address;
pub mod layout;

/// Longest topic name that Kafka takes.
const TOPIC_MAX_BYTES: usize = 249;
/// A longer field is cut to this many characters in the detail of a rejection; the payload itself stands beside it.
const QUOTED_MAX_CHARS: usize = 60;

/// One raw line, borrowed, its five fields checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Payload<'a> {
    /// The address as given: an IPv4 address mapped into IPv6 stays IPv6.
    pub address: IpAddr,
    /// Seconds since 1970.
    pub epoch: i64,
    /// The digits of `epoch` as they stood in the line.
    pub timestamp: &'a [u8],
    pub topic: &'a str,
    /// Begins with a slash; any bytes but white space.
    pub path: &'a [u8],
    /// The raw query string, never empty; any bytes but white space.
    pub params: &'a [u8],
    /// What follows the fifth field, without white space around it, but with runs of it inside.
    pub raw_user_agent: &'a [u8],
    /// The line is known to be printable ASCII throughout, as nearly all are; `false` where nobody looked.
    pub is_printable: bool,
}

/// Why a line was rejected: the first check that it failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Reason {
    Fields,
    Ip,
    Timestamp,
    Topic,
    Path,
    Size,
    /// Kafka has no such topic, does not let us write to it, or refused this very message.
    Kafka,
    /// Two workers in a row died at this line.
    Crash,
}

impl Reason {
    pub const ALL: [Self; 8] = [
        Self::Fields,
        Self::Ip,
        Self::Timestamp,
        Self::Topic,
        Self::Path,
        Self::Size,
        Self::Kafka,
        Self::Crash,
    ];

    /// The reason's name in the invalid list.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Fields => "fields",
            Self::Ip => "ip",
            Self::Timestamp => "timestamp",
            Self::Topic => "topic",
            Self::Path => "path",
            Self::Size => "size",
            Self::Kafka => "kafka",
            Self::Crash => "crash",
        }
    }

    /// The reason of that name, if there is one.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|reason| reason.as_str() == name)
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.as_str())
    }
}

/// A line that is not passed on, with what a person needs to mend it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rejection {
    pub reason: Reason,
    pub detail: String,
}

impl Rejection {
    pub fn new(reason: Reason, detail: impl Into<String>) -> Self {
        Self { reason, detail: detail.into() }
    }
}

/// Which topics a payload may name, all of them legal; `None` is every legal one.
pub type AllowedTopics = Option<BTreeSet<String>>;

impl<'a> Payload<'a> {
    /// Takes a line apart.
    ///
    /// # Errors
    /// The first check that fails, in the order of the fields.
    pub fn parse(line: &'a [u8], allowed_topics: &AllowedTopics) -> Result<Self, Rejection> {
        let mut fields = Fields::of(line);
        let is_printable = fields.is_printable;
        let mut present = 0;
        let mut next = || {
            let field = fields.next();
            present += usize::from(field.is_some());
            field.unwrap_or_default()
        };
        let (ip, timestamp, topic, path, params) = (next(), next(), next(), next(), next());
        if present < 5 {
            return Err(Rejection::new(Reason::Fields, format!("{present} fields, at least 5 are needed")));
        }
        let address = address::parse(ip).ok_or_else(|| {
            Rejection::new(Reason::Ip, format!("not an IPv4 or IPv6 address: {}", quoted(ip)))
        })?;
        let epoch = parse_epoch(timestamp).ok_or_else(|| {
            Rejection::new(
                Reason::Timestamp,
                format!("not a time in whole seconds since 1970: {}", quoted(timestamp)),
            )
        })?;
        let topic = check_topic(topic, allowed_topics)?;
        if path.first() != Some(&b'/') {
            return Err(Rejection::new(
                Reason::Path,
                format!("does not begin with a slash: {}", quoted(path)),
            ));
        }
        let raw_user_agent = fields.remainder();
        Ok(Self { address, epoch, timestamp, topic, path, params, raw_user_agent, is_printable })
    }

    /// The user agent, its words joined by one space; empty when the tracker sent none.
    pub fn user_agent(&self) -> Cow<'a, [u8]> {
        join_words(self.raw_user_agent)
    }
}

/// The words of `text` joined by one space each.
pub fn join_words(text: &[u8]) -> Cow<'_, [u8]> {
    let mut previous_is_space = true;
    let is_joined = text.iter().all(|&byte| {
        let is_fine = !is_space(byte) || (byte == b' ' && !previous_is_space);
        previous_is_space = is_space(byte);
        is_fine
    }) && !text.last().is_some_and(|&byte| is_space(byte));
    if is_joined {
        return Cow::Borrowed(text);
    }
    let words: Vec<&[u8]> = Fields::of(text).collect();
    Cow::Owned(words.join(&b' '))
}

/// Whether `name` can be the name of a Kafka topic.
pub fn is_legal_topic(name: &str) -> bool {
    let is_legal_byte = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-');
    !name.is_empty()
        && name.len() <= TOPIC_MAX_BYTES
        && name != "."
        && name != ".."
        && name.bytes().all(is_legal_byte)
}

/// White space as Ruby's `String#split` has it: Rust's own splitters cut at more, or not at `\v`.
fn is_space(byte: u8) -> bool {
    byte == b' ' || (b'\t'..=b'\r').contains(&byte)
}

/// Whether `text` holds nothing but the space and what has a shape in ASCII. Without a branch a byte, so that the
/// compiler takes many bytes at a time.
fn is_printable(text: &[u8]) -> bool {
    let highest = text.iter().fold(0, |highest, &byte| byte.wrapping_sub(b' ').max(highest));
    highest <= b'~' - b' '
}

struct Fields<'a> {
    rest: &'a [u8],
    /// No other white space than plain spaces is in it, and those are found many bytes at a time.
    is_printable: bool,
}

impl<'a> Iterator for Fields<'a> {
    type Item = &'a [u8];

    fn next(&mut self) -> Option<&'a [u8]> {
        let start = self.rest.iter().position(|&byte| !is_space(byte))?;
        let from_start = &self.rest[start..];
        let end = if self.is_printable {
            memchr::memchr(b' ', from_start)
        } else {
            from_start.iter().position(|&byte| is_space(byte))
        };
        let (field, rest) = from_start.split_at(end.unwrap_or(from_start.len()));
        self.rest = rest;
        Some(field)
    }
}

impl<'a> Fields<'a> {
    fn of(text: &'a [u8]) -> Self {
        Self { rest: text, is_printable: is_printable(text) }
    }

    fn remainder(&self) -> &'a [u8] {
        let Some(start) = self.rest.iter().position(|&byte| !is_space(byte)) else {
            return &[];
        };
        let end = self.rest.iter().rposition(|&byte| !is_space(byte)).map_or(start, |last| last + 1);
        &self.rest[start..end]
    }
}

/// Digits only: `i64::from_str` would take a sign.
fn parse_epoch(field: &[u8]) -> Option<i64> {
    let is_decimal = !field.is_empty() && field.iter().all(u8::is_ascii_digit);
    let read = |number: i64, &byte: &u8| number.checked_mul(10)?.checked_add((byte - b'0').into());
    if is_decimal { field.iter().try_fold(0, read) } else { None }
}

fn check_topic<'a>(field: &'a [u8], allowed_topics: &AllowedTopics) -> Result<&'a str, Rejection> {
    let topic = std::str::from_utf8(field).ok();
    // Those that are allowed are legal.
    if let (Some(topic), Some(allowed)) = (topic, allowed_topics)
        && allowed.contains(topic)
    {
        return Ok(topic);
    }
    let Some(topic) = topic.filter(|name| is_legal_topic(name)) else {
        return Err(Rejection::new(Reason::Topic, format!("not a legal topic name: {}", quoted(field))));
    };
    match allowed_topics {
        Some(_) => Err(Rejection::new(Reason::Topic, format!("not one of KAFKA_TOPICS: {}", quoted(field)))),
        None => Ok(topic),
    }
}

/// A field for a person to read: escaped, in quotes, cut when long.
fn quoted(field: &[u8]) -> String {
    let text = String::from_utf8_lossy(field);
    let short: String = text.chars().take(QUOTED_MAX_CHARS).collect();
    let dots = if short.len() < text.len() { "..." } else { "" };
    format!("{short:?}{dots}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn parse(line: &[u8]) -> Result<Payload<'_>, Reason> {
        Payload::parse(line, &None).map_err(|rejection| rejection.reason)
    }

    #[test]
    fn fields_are_parted_by_ascii_white_space_and_nothing_else() {
        let line = " 1.2.3.4\t5\nclicks\x0b/t\u{a0}x\x0c\x0cp\u{85}\u{3000}\r two \t words ".as_bytes();
        let payload = parse(line).unwrap();
        assert_eq!(payload.topic, "clicks");
        assert_eq!(payload.path, "/t\u{a0}x".as_bytes());
        assert_eq!(payload.params, "p\u{85}\u{3000}".as_bytes());
        assert_eq!(&*payload.user_agent(), b"two words");
    }

    #[test]
    fn a_user_agent_may_be_absent() {
        assert_eq!(&*parse(b"1.2.3.4 5 clicks / p ").unwrap().user_agent(), b"");
    }

    #[test]
    fn the_first_check_that_fails_gives_the_reason() {
        for (line, reason) in [
            (&b""[..], Reason::Fields),
            (b"x y . z", Reason::Fields),
            (b"x y . z p", Reason::Ip),
            (b"1.2.3.4 y . z p", Reason::Timestamp),
            (b"1.2.3.4 1 . z p", Reason::Topic),
            (b"1.2.3.4 1 clicks z p", Reason::Path),
        ] {
            assert_eq!(parse(line), Err(reason), "{}", String::from_utf8_lossy(line));
        }
    }

    #[test]
    fn a_timestamp_is_whole_seconds_in_63_bits() {
        assert_eq!(parse_epoch(b"9223372036854775807"), Some(i64::MAX));
        for field in ["9223372036854775808", "-5", "+5", "12.7", "abc", "0x10", "1_000", "\u{661}", ""] {
            assert_eq!(parse_epoch(field.as_bytes()), None, "{field}");
        }
    }

    #[test]
    fn only_topics_that_are_named_are_taken_where_any_is() {
        let allowed = Some(BTreeSet::from(["clicks".to_owned()]));
        assert!(Payload::parse(b"1.2.3.4 5 clicks / p", &allowed).is_ok());
        let refused = Payload::parse(b"1.2.3.4 5 INAPP / p", &allowed).unwrap_err();
        assert_eq!(refused.detail, "not one of KAFKA_TOPICS: \"INAPP\"");
    }

    #[test]
    fn a_topic_is_what_kafka_takes() {
        let longest = "a".repeat(249);
        for topic in ["clicks", "A.b_c-9", "...", longest.as_str()] {
            assert!(is_legal_topic(topic), "{topic}");
        }
        let too_long = "a".repeat(250);
        for topic in ["", ".", "..", "a/b", "[::1]", "ü", too_long.as_str()] {
            assert!(!is_legal_topic(topic), "{topic}");
        }
    }

    proptest! {
        #[test]
        fn any_bytes_are_parsed_or_rejected(line in proptest::collection::vec(any::<u8>(), 0..200)) {
            if let Ok(payload) = Payload::parse(&line, &None) {
                prop_assert!(payload.path.starts_with(b"/") && !payload.params.is_empty());
            }
        }

        #[test]
        fn what_is_printable_ascii_is_known(text in proptest::collection::vec(any::<u8>(), 0..3), rest in "[ -~]{0,80}") {
            let text = [rest.as_bytes(), &text].concat();
            prop_assert_eq!(is_printable(&text), text.iter().all(|byte| (b' '..=b'~').contains(byte)));
        }

        #[test]
        fn joined_words_hold_single_spaces_only(text in proptest::collection::vec(any::<u8>(), 0..100)) {
            let expected: Vec<&[u8]> = text.split(|&byte| is_space(byte)).filter(|word| !word.is_empty()).collect();
            prop_assert_eq!(join_words(&text).into_owned(), expected.join(&b' '));
        }
    }
}
