//! Bytes from outside as people can read and type them: what cannot be seen, or shows as something else, stands there as
//! `\xFF`. All of it can be typed back.

/// A run of a text: either signs that show as what they are, or bytes that do not.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Piece<'a> {
    Text(&'a str),
    Bytes(&'a [u8]),
}

/// Parts bytes into runs.
pub fn pieces(bytes: &[u8]) -> Pieces<'_> {
    Pieces { rest: bytes }
}

/// See [`pieces`].
#[derive(Debug, Clone)]
pub struct Pieces<'a> {
    rest: &'a [u8],
}

impl<'a> Iterator for Pieces<'a> {
    type Item = Piece<'a>;

    fn next(&mut self) -> Option<Piece<'a>> {
        let (mut end, is_plain) = first_sign(self.rest)?;
        while let Some((length, is_like_it)) = first_sign(&self.rest[end..])
            && is_like_it == is_plain
        {
            end += length;
        }
        let (run, rest) = self.rest.split_at(end);
        self.rest = rest;
        Some(match std::str::from_utf8(run) {
            Ok(text) if is_plain => Piece::Text(text),
            _ => Piece::Bytes(run),
        })
    }
}

/// How many bytes the first sign takes, and whether it shows as what it is; a byte that is not UTF-8 is a sign of its own.
fn first_sign(bytes: &[u8]) -> Option<(usize, bool)> {
    let first = *bytes.first()?;
    if first.is_ascii() {
        return Some((1, first == b' ' || first.is_ascii_graphic() && escaped_byte(bytes).is_none()));
    }
    let sign = (2..=bytes.len().min(4)).find_map(|length| std::str::from_utf8(&bytes[..length]).ok());
    Some(match sign {
        Some(text) => (text.len(), !text.contains(misleads)),
        None => (1, false),
    })
}

/// The byte that `\xFF` at the beginning of a text stands for.
fn escaped_byte(text: &[u8]) -> Option<u8> {
    let digits = text.strip_prefix(b"\\x")?.get(..2)?;
    let digit = |byte: u8| char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
    Some(digit(digits[0])? << 4 | digit(digits[1])?)
}

/// Whether a sign beyond ASCII cannot be seen, or turns the writing around it: controls, spaces that part no fields,
/// marks of direction, and what Unicode tells programs to leave out.
fn misleads(sign: char) -> bool {
    sign.is_control()
        || sign.is_whitespace()
        || matches!(sign,
            '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}' | '\u{1160}' | '\u{17b4}' | '\u{17b5}'
            | '\u{180b}'..='\u{180f}' | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{206f}'
            | '\u{2800}' | '\u{3164}' | '\u{fe00}'..='\u{fe0f}' | '\u{feff}' | '\u{ffa0}' | '\u{fff0}'..='\u{fffb}'
            | '\u{1d173}'..='\u{1d17a}' | '\u{e0000}'..='\u{e0fff}')
}

/// A line as it can be read, and typed.
pub fn typed(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len());
    for piece in pieces(bytes) {
        match piece {
            Piece::Text(plain) => text.push_str(plain),
            Piece::Bytes(run) => text.extend(run.iter().map(|byte| format!("\\x{byte:02X}"))),
        }
    }
    text
}

/// What was typed, read back: `\xFF` is a byte, anything else is itself.
pub fn read_back(text: &str) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&first, behind)) = rest.split_first() {
        if let Some(byte) = escaped_byte(rest) {
            bytes.push(byte);
            rest = &rest[4..];
        } else {
            bytes.push(first);
            rest = behind;
        }
    }
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn what_shows_as_itself_stays() {
        for text in ["", "1.2.3.4 5 clicks /t a=\"<b>'&c\" Mozilla/5.0 (ü, 日本語, 🦀)", r"a\b \n \x \xg1 \\"]
        {
            assert_eq!(typed(text.as_bytes()), text);
        }
    }

    #[test]
    fn what_cannot_be_seen_or_misleads_is_shown_by_its_bytes() {
        for (bytes, expected) in [
            (&b"a\0\t\n\x1b[2J\x7f"[..], r"a\x00\x09\x0A\x1B[2J\x7F"),
            (b"\xff\xc3", r"\xFF\xC3"),
            ("\u{202e}gpj\u{a0}\u{200b}\u{85}".as_bytes(), r"\xE2\x80\xAEgpj\xC2\xA0\xE2\x80\x8B\xC2\x85"),
            (br"\xFF", r"\x5CxFF"),
        ] {
            assert_eq!(typed(bytes), expected);
            assert_eq!(read_back(expected), bytes);
        }
    }

    #[test]
    fn runs_are_as_long_as_they_can_be() {
        let found: Vec<Piece<'_>> = pieces(b"ab\xff\0 c").collect();
        assert_eq!(found, [Piece::Text("ab"), Piece::Bytes(b"\xff\0"), Piece::Text(" c")]);
    }

    proptest! {
        #[test]
        fn all_can_be_typed_back(
            bytes in proptest::collection::vec(
                prop_oneof![any::<u8>(), proptest::sample::select(&b"\\xX0fF "[..])], 0..60,
            ),
        ) {
            let text = typed(&bytes);
            prop_assert!(!text.chars().any(char::is_control));
            prop_assert_eq!(read_back(&text), bytes);
        }
    }
}
