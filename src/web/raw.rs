//! Lines from outside on a page: harmless, whatever is in them, and short enough to look at.

use maud::{Markup, html};

use crate::payload::layout::Layout;
use crate::visible::{Piece, pieces};

/// So many bytes of a field are shown in a table.
pub(super) const IN_A_TABLE: usize = 160;
/// And where it stands alone.
pub(super) const ALONE: usize = 4096;

/// Bytes as they can be read: those that cannot be seen, or mislead, stand there as `\xFF`.
pub(super) fn shown(bytes: &[u8], most: usize) -> Markup {
    let short = cut(bytes, most);
    html! {
        @for piece in pieces(short) {
            @match piece {
                Piece::Text(text) => { (text) },
                Piece::Bytes(run) => span.byte { @for byte in run { (format!("\\x{byte:02X}")) } },
            }
        }
        @if short.len() < bytes.len() {
            span.cut { "… (" (bytes.len()) " bytes)" }
        }
    }
}

/// A raw line with what offends in it marked; each field is cut for itself, so that all of them are seen.
pub(super) fn marked(line: &[u8], layout: &Layout, most: usize) -> Markup {
    let offending = layout.offending.as_ref();
    let is_all = offending.is_some_and(|range| !layout.fields.iter().any(|(_, field)| field == range));
    let is_missing = offending.is_some_and(std::ops::Range::is_empty);
    let fields = html! {
        @for (at, (_, range)) in layout.fields.iter().enumerate() {
            (shown(&line[end_before(layout, at)..range.start], most))
            @if offending == Some(range) {
                mark { (shown(&line[range.clone()], most)) }
            } @else {
                (shown(&line[range.clone()], most))
            }
        }
        (shown(&line[end_before(layout, layout.fields.len())..], most))
    };
    html! {
        code.raw {
            @if is_all && !is_missing {
                mark { (fields) }
            } @else {
                (fields)
                @if is_missing { " " mark.missing { "missing" } }
            }
        }
    }
}

/// Where the field before the `at`-th ends.
fn end_before(layout: &Layout, at: usize) -> usize {
    at.checked_sub(1).map_or(0, |before| layout.fields[before].1.end)
}

/// At most so many bytes, and no sign cut in two.
fn cut(bytes: &[u8], most: usize) -> &[u8] {
    if bytes.len() <= most {
        return bytes;
    }
    let is_inside = |at: usize| bytes[at] & 0b1100_0000 == 0b1000_0000;
    let end = (most.saturating_sub(3)..=most).rev().find(|&at| !is_inside(at)).unwrap_or(most);
    &bytes[..end]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::payload::Reason;

    fn of(line: &[u8], reason: Reason) -> String {
        marked(line, &Layout::of(line, Some(reason)), 20).into_string()
    }

    #[test]
    fn the_field_that_offends_is_marked() {
        assert_eq!(of(b"x  5 t / p", Reason::Ip), "<code class=\"raw\"><mark>x</mark>  5 t / p</code>");
        assert_eq!(of(b"1 5 t p q ", Reason::Path), "<code class=\"raw\">1 5 t <mark>p</mark> q </code>");
        assert_eq!(of(b"1 5 t / p", Reason::Crash), "<code class=\"raw\"><mark>1 5 t / p</mark></code>");
        assert_eq!(of(b"1 5 t / p", Reason::Kafka), "<code class=\"raw\">1 5 t / p</code>");
        let missing = "<code class=\"raw\">1 5 <mark class=\"missing\">missing</mark></code>";
        assert_eq!(of(b"1 5", Reason::Fields), missing);
    }

    #[test]
    fn each_field_is_cut_for_itself_and_no_sign_in_two() {
        let line = format!("{} 5 t / p", "ü".repeat(50));
        let expected =
            format!("<mark>{}<span class=\"cut\">… (100 bytes)</span></mark> 5 t / p", "ü".repeat(10));
        assert!(of(line.as_bytes(), Reason::Ip).contains(&expected));
        let line = format!("x{} 5 t / p", "ü".repeat(50));
        assert!(of(line.as_bytes(), Reason::Ip).contains(&format!("<mark>x{}<span", "ü".repeat(9))));
    }

    #[test]
    fn what_cannot_be_seen_is_shown_by_its_bytes() {
        let markup = shown(b"a\0\xff<b>\xe2\x80\xae", 100).into_string();
        let expected =
            "a<span class=\"byte\">\\x00\\xFF</span>&lt;b&gt;<span class=\"byte\">\\xE2\\x80\\xAE</span>";
        assert_eq!(markup, expected);
    }
}
