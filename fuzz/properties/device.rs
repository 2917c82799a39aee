//! The look-up of a device.

use std::sync::LazyLock;

use kafkastore::enrich::device::Device;
use kafkastore::enrich::device::woothee::Woothee;
use kafkastore::message::Message;

use super::{ENRICHER, RESERVED_AT, device_of, enriched, fields};

/// A line up to its user agent.
const START: &[u8] = b"8.8.8.8 1465287057 clicks /t p ";

const KINDS: [&str; 9] = [
    "smartphone",
    "tablet",
    "desktop",
    "feature phone",
    "console",
    "tv",
    "car browser",
    "camera",
    "portable media player",
];

static ENGINE: LazyLock<Woothee> = LazyLock::new(Woothee::new);

/// Only so much of a user agent counts.
const LOOKED_AT: usize = 2048;
/// A long one takes most of the time, so not every input is tried with it.
const LONG_ONE_IN: usize = 16;

/// Whatever the user agent, the answer is in the words that consumers know, and the same each time.
pub fn holds(user_agent: &[u8]) {
    let text = String::from_utf8_lossy(user_agent);
    let device = ENGINE.detect(&text);
    is_in_the_vocabulary(&device, &text);
    assert_eq!(ENGINE.detect(&text), device);

    let line = [START, user_agent].concat();
    let message = enriched(&line);
    assert_eq!(enriched(&line), message, "the cache gives what the engine gave");
    if let Ok(message) = message {
        let explained = ENRICHER.explain(&line, RESERVED_AT).unwrap();
        let message = Message::parse(&message).unwrap();
        assert_eq!(device_of(&message), fields(&explained.device));
    }

    if !user_agent.len().is_multiple_of(LONG_ONE_IN) {
        return;
    }
    let long = [line.as_slice(), &[b'x'; LOOKED_AT]].concat();
    let longer = [long.as_slice(), b" iPhone"].concat();
    assert_eq!(enriched(&long), enriched(&longer), "what stands behind the first 2 kB does not count");
}

fn is_in_the_vocabulary(device: &Device, user_agent: &str) {
    let Device { bot_name, device: kind, device_name, platform } = device;
    if bot_name.is_some() {
        assert_eq!((kind, device_name, platform), (&None, &None, &None), "a bot has nothing but a name");
    }
    assert!(kind.is_none_or(|kind| KINDS.contains(&kind)));
    assert!(device_name.is_none() || kind.is_some(), "a model is of some kind");
    for name in [bot_name, device_name].into_iter().flatten() {
        assert!(!name.is_empty() && name.trim() == name);
        assert!(name.len() <= user_agent.len() + "Facebook External Hit".len());
    }
    let is_letter = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b" /^-".contains(&byte);
    assert!(platform.as_ref().is_none_or(|name| !name.is_empty() && name.bytes().all(is_letter)));
}
