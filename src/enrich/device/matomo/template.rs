//! Names and models with what a regex captured in them: `$1`, or `\g<1>` as Python writes it.

use super::pattern::Groups;

/// A text with places for captured groups.
#[derive(Clone)]
pub(super) struct Template(Vec<Piece>);

#[derive(Clone)]
enum Piece {
    Text(Box<str>),
    Group(usize),
}

impl Template {
    pub(super) fn new(source: &str) -> Self {
        let mut pieces = Vec::new();
        let mut text = String::new();
        let mut rest = source;
        while let Some(letter) = rest.chars().next() {
            if let Some((group, behind)) = group(rest) {
                if !text.is_empty() {
                    pieces.push(Piece::Text(std::mem::take(&mut text).into()));
                }
                pieces.push(Piece::Group(group));
                rest = behind;
            } else {
                text.push(letter);
                rest = &rest[letter.len_utf8()..];
            }
        }
        if !text.is_empty() {
            pieces.push(Piece::Text(text.into()));
        }
        Self(pieces)
    }

    /// Writes the text out; a group that took no part is empty.
    pub(super) fn fill(&self, original: &str, groups: &Groups) -> String {
        let mut filled = String::new();
        for piece in &self.0 {
            match *piece {
                Piece::Text(ref text) => filled.push_str(text),
                Piece::Group(group) => {
                    let span = groups.get(group).copied().flatten();
                    let bytes = span.map_or(&[][..], |(from, to)| &original.as_bytes()[from..to]);
                    filled.push_str(&String::from_utf8_lossy(bytes));
                }
            }
        }
        filled.truncate(filled.trim_end().len());
        filled.drain(..filled.len() - filled.trim_start().len());
        filled
    }
}

/// Reads a place for a group at the beginning of the text, and what is behind it.
fn group(text: &str) -> Option<(usize, &str)> {
    let digit = |text: &str| text.chars().next()?.to_digit(10).map(|digit| digit as usize);
    if let Some(behind) = text.strip_prefix('$') {
        return Some((digit(behind)?, &behind[1..]));
    }
    let behind = text.strip_prefix("\\g<")?;
    Some((digit(behind)?, behind[1..].strip_prefix('>')?))
}
