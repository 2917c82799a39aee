//! What a user agent says of the device behind it, one engine a file.
//!
//! Every engine answers in the same words (`device`, `platform`), because consumers join and count by them.
//!
//! - [`woothee`]: built in, needs no files
//! - [`matomo`]: on Matomo's regexes, from files that the user supplies

use std::fmt;
use std::path::PathBuf;

use matomo::Matomo;
use woothee::Woothee;

pub mod matomo;
pub mod woothee;

/// Only so much of a user agent is looked at.
pub const USER_AGENT_MAX_BYTES: usize = 2048;

/// What a user agent says of its device; `None` is unknown.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Device {
    /// Name of the bot; where it is set, all the rest is `None`, as the original had it.
    pub bot_name: Option<String>,
    /// Kind of device: `smartphone`, `tablet`, `phablet`, `desktop`, `feature phone`, `console`, `tv`, `car browser`,
    /// `camera`, `portable media player`; of Matomo's current files also `wearable`, `peripheral`, `smart display` and
    /// `smart speaker`.
    pub device: Option<&'static str>,
    /// Model, such as `iPhone` or `Nexus 5`; as the user agent writes it, or as Matomo's files name it.
    pub device_name: Option<String>,
    /// Operating system in lower case, in the names of the original's detector: click and install are matched by a
    /// hash of address and platform, and the trackers compute theirs with `device_detector` 0.8.2.
    pub platform: Option<&'static str>,
}

/// The engine that was chosen.
pub enum Engine {
    Woothee(Woothee),
    /// With the folder that its files are from.
    Matomo(Box<Matomo>, PathBuf),
}

impl Engine {
    /// Says what a user agent tells of its device; never panics, whatever the text.
    #[must_use]
    pub fn detect(&self, user_agent: &str) -> Device {
        match self {
            Self::Woothee(engine) => engine.detect(user_agent),
            Self::Matomo(engine, _) => engine.detect(user_agent).into(),
        }
    }
}

impl fmt::Display for Engine {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Woothee(_) => formatter.write_str("woothee"),
            Self::Matomo(engine, folder) => {
                write!(formatter, "matomo with {engine}, from {}", folder.display())
            }
        }
    }
}
