//! What some of the messages say: who sends what, how late it comes, and the last of them as they are. Looking at all
//! would cost as much as writing them.

use std::collections::{BTreeMap, VecDeque};

use crate::message::Message;

/// How many messages of a batch are looked at.
pub const MESSAGES_A_BATCH: usize = 32;
/// How many last messages are kept.
pub const RECENT: usize = 10;
/// A longer message is cut where people look at it.
const RECENT_MAX_CHARS: usize = 2_000;
/// Different names of all kinds; what comes beyond counts as [`OTHER`].
const NAMES: usize = 1_000;
/// A longer name is cut.
const NAME_MAX_CHARS: usize = 80;
/// What stands for all names beyond the bound.
pub const OTHER: &str = "other";

/// What names are counted of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    Country,
    Platform,
    Device,
    Bot,
    Topic,
}

impl Kind {
    pub const ALL: [Self; 5] = [Self::Country, Self::Platform, Self::Device, Self::Bot, Self::Topic];

    pub fn as_str(self) -> &'static str {
        match self {
            Self::Country => "country",
            Self::Platform => "platform",
            Self::Device => "device",
            Self::Bot => "bot",
            Self::Topic => "topic",
        }
    }
}

/// Lines by name, for each kind; estimated from the messages that were looked at.
pub type Tops = BTreeMap<(Kind, String), u64>;

/// A message as it went to Kafka.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Recent {
    pub topic: String,
    pub message: String,
}

#[derive(Debug, Default)]
pub struct Sample {
    tops: Tops,
    recent: VecDeque<Recent>,
}

impl Sample {
    /// Looks at a message that stands for `lines` lines, and gives its lag in seconds; nothing where it is none of ours.
    pub fn look(&mut self, topic: &str, message: &[u8], lines: u64) -> Option<i64> {
        let read = Message::parse(message).ok()?;
        self.count(Kind::Topic, topic, lines);
        let named = [
            (Kind::Country, &read.country),
            (Kind::Platform, &read.platform),
            (Kind::Device, &read.device),
            (Kind::Bot, &read.bot_name),
        ];
        for (kind, name) in named {
            if let Some(name) = name {
                self.count(kind, name, lines);
            }
        }
        self.recent.push_back(Recent {
            topic: topic.to_owned(),
            message: String::from_utf8_lossy(message).chars().take(RECENT_MAX_CHARS).collect(),
        });
        if self.recent.len() > RECENT {
            self.recent.pop_front();
        }
        Some(read.klag)
    }

    fn count(&mut self, kind: Kind, name: &str, lines: u64) {
        let mut key = (kind, name.chars().take(NAME_MAX_CHARS).collect());
        if self.tops.len() >= NAMES && !self.tops.contains_key(&key) {
            key.1 = OTHER.to_owned();
        }
        *self.tops.entry(key).or_default() += lines;
    }

    /// What was seen since the last time, the newest message last.
    pub fn take(&mut self) -> (Tops, Vec<Recent>) {
        (std::mem::take(&mut self.tops), std::mem::take(&mut self.recent).into())
    }

    /// Adds counts that were taken before.
    pub fn put_back(&mut self, tops: &Tops) {
        for ((kind, name), lines) in tops {
            self.count(*kind, name, *lines);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MESSAGE: &str =
        "/t/click bot_name&country=DE&device=tablet&device_name&ip=1&klag=7&platform=ios&ts=5 p";

    #[test]
    fn a_message_is_counted_under_its_names() {
        let mut sample = Sample::default();
        assert_eq!(sample.look("clicks", MESSAGE.as_bytes(), 3), Some(7));
        assert_eq!(sample.look("clicks", b"no message", 3), None);
        let (tops, recent) = sample.take();
        let names: Vec<_> =
            tops.iter().map(|((kind, name), lines)| (kind.as_str(), name.as_str(), *lines)).collect();
        assert_eq!(
            names,
            [("country", "DE", 3), ("platform", "ios", 3), ("device", "tablet", 3), ("topic", "clicks", 3)]
        );
        assert_eq!(recent, [Recent { topic: "clicks".into(), message: MESSAGE.into() }]);
        assert_eq!(sample.take(), (Tops::new(), vec![]));
    }

    #[test]
    fn memory_is_bounded() {
        let mut sample = Sample::default();
        for number in 0..5_000 {
            sample.look(&format!("{number:x<300}"), MESSAGE.as_bytes(), 1);
        }
        let (tops, recent) = sample.take();
        assert!(tops.len() <= NAMES + Kind::ALL.len(), "{}", tops.len());
        assert!(tops[&(Kind::Topic, OTHER.to_owned())] > 3_000);
        assert_eq!(recent.len(), RECENT);
    }
}
