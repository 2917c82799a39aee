//! The built-in engine: the woothee crate for bots and Japanese mobile phones, our own marks for the rest.
//!
//! Woothee alone is too coarse for the vocabulary: it has no tablets, hardly any televisions and no models, and
//! its systems are not those of the trackers' detector.

use ::woothee::parser::{Parser, WootheeResult};

use super::Device;
use words::Words;

mod bot;
mod kind;
mod model;
mod platform;
#[cfg(test)]
mod tests;
mod words;

/// Tells devices by their user agent; holds nothing that a thread could not share.
#[derive(Default)]
pub struct Woothee {
    parser: Parser,
}

impl Woothee {
    /// Makes the engine; its first answers are slower, for woothee then builds its patterns.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Says what a user agent tells of its device; never panics, whatever the text.
    ///
    /// Costs some microseconds and grows with the text: the caller cuts it at 2 kB and remembers answers.
    #[must_use]
    pub fn detect(&self, user_agent: &str) -> Device {
        let words = Words::of(user_agent);
        if let Some(name) = bot::name(&self.parser, &words) {
            return Device { bot_name: Some(name.to_owned()), ..Device::default() };
        }
        let platform = platform::platform(&words);
        let device = kind::kind(&words, platform).or_else(|| self.kind_by_woothee(user_agent, platform));
        Device {
            bot_name: None,
            device,
            device_name: model::model(&words, platform).filter(|_| device.is_some()),
            platform,
        }
    }

    /// Asks woothee where no mark said anything: it knows phones that name no system, such as those of docomo.
    fn kind_by_woothee(&self, user_agent: &str, platform: Option<&str>) -> Option<&'static str> {
        if platform.is_some() {
            return None;
        }
        match self.parser.parse(user_agent) {
            Some(WootheeResult { category: "pc", .. }) => Some("desktop"),
            Some(WootheeResult { category: "smartphone", .. }) => Some("smartphone"),
            Some(WootheeResult { category: "mobilephone", .. }) => Some("feature phone"),
            Some(WootheeResult { category: "appliance", .. }) => Some("tv"),
            _ => None,
        }
    }
}
