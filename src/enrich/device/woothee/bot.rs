//! Bots and their names.

use ::woothee::parser::{Parser, WootheeResult};

use super::words::{Marks, Words, is_inside_word};

/// Bots that the original spelled in its own way, by the start of the word that gives them away.
static ORIGINAL_NAMES: Marks = Marks::new(&[
    ("facebookexternalhit", "Facebook External Hit"),
    ("googlebot", "Googlebot"),
    ("adsbot-google", "Googlebot"),
    ("mediapartners-google", "Googlebot"),
    ("feedfetcher-google", "Googlebot"),
    ("google web preview", "Googlebot"),
    ("bingbot", "BingBot"),
    ("bingpreview", "BingBot"),
    ("msnbot", "BingBot"),
    ("adidxbot", "BingBot"),
    ("baiduspider", "Baidu Spider"),
    ("yandexbot", "Yandex Bot"),
    ("yandexmobilebot", "Yandex Bot"),
    ("yandeximages", "Yandex Bot"),
    ("yahoo! slurp", "Yahoo! Slurp"),
    ("ahrefsbot", "aHrefs Bot"),
    ("semrushbot", "Semrush Bot"),
    ("mj12bot", "MJ12 Bot"),
    ("linkedinbot", "LinkedIn Bot"),
    ("redditbot", "Reddit Bot"),
    ("twitterbot", "Twitterbot"),
    ("uptimerobot", "Uptime Robot"),
]);

/// How the words of bots end; what follows must not be a letter.
const ENDINGS: &[&str] = &["bot", "crawler", "spider"];

/// Names the bot, or `None` where a person may sit behind the user agent.
///
/// In the original's spelling where that is known, then in woothee's, then by the word itself (`GPTBot`).
pub(super) fn name(parser: &Parser, words: &Words<'_>) -> Option<String> {
    if let Some(name) = ORIGINAL_NAMES.meaning(words) {
        return Some(name.to_owned());
    }
    let mut answer = WootheeResult::new();
    if parser.try_crawler(words.text, &mut answer) {
        return Some(answer.name.to_owned());
    }
    named_by_itself(words.text).map(|name| String::from_utf8_lossy(name).into_owned())
}

fn named_by_itself(user_agent: &str) -> Option<&[u8]> {
    user_agent
        .as_bytes()
        .split(|&byte| !is_inside_word(byte))
        .map(|word| &word[..word.iter().rposition(u8::is_ascii_alphabetic).map_or(0, |last| last + 1)])
        .find(|word| is_bot(word))
}

/// `Cubot` makes telephones.
fn is_bot(word: &[u8]) -> bool {
    let ends_with = |ending: &str| {
        let start = word.len().checked_sub(ending.len());
        start.is_some_and(|start| word[start..].eq_ignore_ascii_case(ending.as_bytes()))
    };
    ENDINGS.iter().any(|ending| ends_with(ending)) && !ends_with("cubot")
}
