//! Where the fields of a raw line stand, and which of them it was rejected for; for people to look at.

use std::fmt;
use std::ops::Range;

use super::{Fields, Reason};

/// A part of a raw line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Field {
    Ip,
    Timestamp,
    Topic,
    Path,
    Params,
    /// All that follows the fifth field, with the white space inside.
    UserAgent,
}

impl Field {
    const WORDS: [Self; 5] = [Self::Ip, Self::Timestamp, Self::Topic, Self::Path, Self::Params];

    pub fn as_str(self) -> &'static str {
        match self {
            Self::Ip => "ip",
            Self::Timestamp => "timestamp",
            Self::Topic => "topic",
            Self::Path => "path",
            Self::Params => "params",
            Self::UserAgent => "user agent",
        }
    }
}

impl fmt::Display for Field {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.as_str())
    }
}

/// The fields of one line, by their bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Layout {
    /// Those that are there, in their order.
    pub fields: Vec<(Field, Range<usize>)>,
    /// What is to be mended: a field; the empty place where the first missing one would stand; all of the line.
    pub offending: Option<Range<usize>>,
}

impl Layout {
    /// Finds the fields of a line, and what `reason` complains of in it. Kafka's own complaints and lines without a
    /// complaint point at nothing.
    pub fn of(line: &[u8], reason: Option<Reason>) -> Self {
        let mut rest = Fields::of(line);
        let mut fields = Vec::with_capacity(6);
        for field in Field::WORDS {
            let Some(found) = rest.next() else { break };
            let end = line.len() - rest.rest.len();
            fields.push((field, end - found.len()..end));
        }
        let user_agent = rest.remainder();
        if !user_agent.is_empty() {
            // Nothing but white space stands before it in the rest.
            let blank = rest.rest.iter().position(|byte| !super::is_space(*byte)).unwrap_or_default();
            let start = line.len() - rest.rest.len() + blank;
            fields.push((Field::UserAgent, start..start + user_agent.len()));
        }
        let offending = reason.and_then(|reason| offending(line, &fields, reason));
        Self { fields, offending }
    }
}

fn offending(line: &[u8], fields: &[(Field, Range<usize>)], reason: Reason) -> Option<Range<usize>> {
    let place = |wanted| fields.iter().find(|(field, _)| *field == wanted).map(|(_, range)| range.clone());
    match reason {
        // A record may tell of a field that is not there: settings and releases change.
        Reason::Ip => place(Field::Ip),
        Reason::Timestamp => place(Field::Timestamp),
        Reason::Topic => place(Field::Topic),
        Reason::Path => place(Field::Path),
        Reason::Fields => (fields.len() < 5).then_some(line.len()..line.len()),
        Reason::Size | Reason::Crash => Some(fields.first()?.1.start..fields.last()?.1.end),
        Reason::Kafka => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::payload::{Payload, is_space};
    use proptest::prelude::*;

    fn offending(line: &[u8], reason: Reason) -> Option<&[u8]> {
        Layout::of(line, Some(reason)).offending.map(|range| &line[range])
    }

    #[test]
    fn each_field_stands_where_the_parser_finds_it() {
        let line = b"\t1.2.3.4  5 clicks\x0b/t p \t two  words \n";
        let layout = Layout::of(line, None);
        let found: Vec<(&str, &[u8])> =
            layout.fields.iter().map(|(field, range)| (field.as_str(), &line[range.clone()])).collect();
        let expected: [(&str, &[u8]); 6] = [
            ("ip", b"1.2.3.4"),
            ("timestamp", b"5"),
            ("topic", b"clicks"),
            ("path", b"/t"),
            ("params", b"p"),
            ("user agent", b"two  words"),
        ];
        assert_eq!(found, expected);
        assert_eq!(layout.offending, None);
    }

    #[test]
    fn the_field_that_offends_is_the_one_that_the_reason_names() {
        let line = b"unknown abc a/b t p agent";
        assert_eq!(offending(line, Reason::Ip), Some(&b"unknown"[..]));
        assert_eq!(offending(line, Reason::Timestamp), Some(&b"abc"[..]));
        assert_eq!(offending(line, Reason::Topic), Some(&b"a/b"[..]));
        assert_eq!(offending(line, Reason::Path), Some(&b"t"[..]));
        assert_eq!(offending(line, Reason::Size), Some(&line[..]));
        assert_eq!(offending(b" 1.2.3.4 5 c / p\n", Reason::Crash), Some(&b"1.2.3.4 5 c / p"[..]));
        assert_eq!(offending(line, Reason::Kafka), None);
    }

    #[test]
    fn a_missing_field_would_stand_at_the_end() {
        assert_eq!(Layout::of(b"1.2.3.4 5 ", Some(Reason::Fields)).offending, Some(10..10));
        assert_eq!(Layout::of(b"", Some(Reason::Fields)).offending, Some(0..0));
    }

    #[test]
    fn a_reason_that_does_not_fit_the_line_points_at_nothing() {
        assert_eq!(offending(b"1.2.3.4", Reason::Path), None);
        assert_eq!(offending(b"1.2.3.4 5 c / p", Reason::Fields), None);
        assert_eq!(offending(b"  ", Reason::Size), None);
    }

    fn line() -> impl Strategy<Value = Vec<u8>> {
        let byte = prop_oneof![any::<u8>(), proptest::sample::select(&b" \t\n\x0b\r"[..])];
        proptest::collection::vec(byte, 0..80)
    }

    proptest! {
        #[test]
        fn ranges_lie_in_the_line_in_order_and_leave_white_space_alone(line in line()) {
            for reason in Reason::ALL {
                let layout = Layout::of(&line, Some(reason));
                let mut end = 0;
                let mut joined = Vec::new();
                for (_, range) in &layout.fields {
                    prop_assert!(end <= range.start && range.start < range.end && range.end <= line.len());
                    end = range.end;
                    joined.extend_from_slice(&line[range.clone()]);
                }
                joined.retain(|byte| !is_space(*byte));
                let mut expected = line.clone();
                expected.retain(|byte| !is_space(*byte));
                prop_assert_eq!(joined, expected);
                if let Some(range) = layout.offending {
                    prop_assert!(range.start <= range.end && range.end <= line.len());
                }
            }
        }

        #[test]
        fn what_the_parser_rejects_is_pointed_at(line in line()) {
            if let Err(rejection) = Payload::parse(&line, &None) {
                prop_assert!(Layout::of(&line, Some(rejection.reason)).offending.is_some());
            }
        }
    }
}
