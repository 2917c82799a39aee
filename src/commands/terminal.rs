//! What people look at on a terminal.

use std::borrow::Cow;

pub(super) const BOLD: &str = "\x1b[1m";
pub(super) const DIM: &str = "\x1b[2m";
pub(super) const RED: &str = "\x1b[31m";
pub(super) const GREEN: &str = "\x1b[32m";
pub(super) const YELLOW: &str = "\x1b[33m";
pub(super) const CYAN: &str = "\x1b[36m";
pub(super) const PLAIN: &str = "\x1b[0m";

/// Text from outside without what could steer the terminal: anyone may write anything into a user agent.
pub(super) fn harmless(text: &str) -> Cow<'_, str> {
    if !text.chars().any(steers) {
        return Cow::Borrowed(text);
    }
    let mut harmless = String::with_capacity(text.len() + 16);
    for sign in text.chars() {
        if steers(sign) {
            harmless.extend(sign.escape_unicode());
        } else {
            harmless.push(sign);
        }
    }
    Cow::Owned(harmless)
}

/// Control characters, and those that turn the direction of writing.
fn steers(sign: char) -> bool {
    sign.is_control()
        || matches!(sign, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_from_outside_steers_the_terminal() {
        assert_eq!(harmless("Gerät 5"), "Gerät 5");
        assert_eq!(harmless("a\x1b[2Jb\u{202e}c\n"), "a\\u{1b}[2Jb\\u{202e}c\\u{a}");
    }
}
