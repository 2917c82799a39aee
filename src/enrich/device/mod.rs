//! What a user agent says of the device behind it, one engine a file.
//!
//! Every engine answers in the same words (`device`, `platform`), because consumers join and count by them.

use std::borrow::Cow;

pub mod woothee;

/// What a user agent says of its device; `None` is unknown.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Device {
    /// Name of the bot; where it is set, all the rest is `None`, as the original had it.
    pub bot_name: Option<String>,
    /// Kind of device: `smartphone`, `tablet`, `desktop`, `feature phone`, `console`, `tv`, `car browser`, `camera`,
    /// `portable media player`.
    pub device: Option<&'static str>,
    /// Model as the user agent writes it, such as `iPhone` or `Nexus 5`.
    pub device_name: Option<String>,
    /// Operating system in lower case, in the names of the original's detector: click and install are matched by a
    /// hash of address and platform, and the trackers compute theirs with `device_detector` 0.8.2.
    pub platform: Option<Cow<'static, str>>,
}
