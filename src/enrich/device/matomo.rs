//! The engine on Matomo's regexes: the vocabulary of the original, from files that the user supplies.
//!
//! The files are those of <https://github.com/matomo-org/device-detector>, which the original's detector reads too; what
//! they mean is told there, and by the expected answers that are published with them. In each list the first regex
//! that matches counts. What the regexes leave open, the kind of a device above all, `rules` derive.
//!
//! - `files`: the shapes of the files
//! - `lists`: what their patterns stand for
//! - `index`: all patterns, and which of them a text could match
//! - `pattern`, `source`, `literals`: one pattern, how it is taken apart, and what must stand in a text for it to match
//! - `template`: names with captured groups
//! - `rules`: what the regexes leave open
//! - `systems`: families of operating systems, and the names that the original had for them

use std::fmt;
use std::path::Path;

use super::Device;
use files::Folder;
use index::{Builder, Index, Text, settle_heap};
use lists::{Devices, Names, Systems};
use rules::Rules;

mod files;
mod index;
mod lists;
mod literals;
mod pattern;
mod rules;
mod source;
mod systems;
mod template;
#[cfg(test)]
mod tests;

/// Detects devices by Matomo's regexes; shared by all lanes.
pub struct Matomo {
    regexes: usize,
    index: Index,
    bots: Names,
    systems: Systems,
    clients: Names,
    /// Televisions are looked for only where the user agent says it is one, everything else only where not.
    televisions: Devices,
    shell_televisions: Devices,
    notebooks: Devices,
    others: Devices,
    makers: Names,
    rules: Rules,
}

/// What the files say of a user agent, in their own words; `None` is unknown.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Detected {
    /// Where it is set, all the rest is `None`.
    pub bot: Option<String>,
    pub system: Option<String>,
    pub system_version: Option<String>,
    /// Browser, app, library, …
    pub client: Option<String>,
    pub kind: Option<&'static str>,
    pub brand: Option<String>,
    pub model: Option<String>,
}

/// From when the files are.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Age {
    /// Of 2018: without notebooks and televisions that run a shell.
    Former,
    Current,
}

impl Age {
    fn of(folder: &Folder<'_>) -> Result<Self, String> {
        match [SHELL_TELEVISIONS, NOTEBOOKS].map(|name| folder.has(name)) {
            [true, true] => Ok(Self::Current),
            [false, false] => Ok(Self::Former),
            _ => Err(format!(
                "{}: of device/{SHELL_TELEVISIONS}.yml and device/{NOTEBOOKS}.yml one is missing",
                folder.0.display()
            )),
        }
    }
}

impl fmt::Display for Matomo {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let age = match self.rules.age {
            Age::Former => "2018",
            Age::Current => "today",
        };
        write!(formatter, "{} regexes and the rules of {age}", self.regexes)
    }
}

impl From<Detected> for Device {
    /// With the operating system in the original's names.
    fn from(detected: Detected) -> Self {
        Self {
            bot_name: detected.bot,
            device: detected.kind,
            device_name: detected.model,
            platform: detected.system.as_deref().and_then(systems::original_name),
        }
    }
}

/// Client files, in the order in which they are asked.
const CLIENTS: &[&str] = &["feed_readers", "mobile_apps", "mediaplayers", "pim", "browsers", "libraries"];

/// Device files, in the order in which they are asked.
const OTHERS: &[&str] = &["consoles", "car_browsers", "cameras", "portable_media_player", "mobiles"];
/// Those that came later.
const SHELL_TELEVISIONS: &str = "shell_tv";
const NOTEBOOKS: &str = "notebooks";

/// Looked at before the first real one, which then finds compiled what most need.
const COMMON: &[&str] = &[
    "Mozilla/5.0 (Linux; Android 9; SM-G960F) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/96.0.4664.45 Mobile Safari/537.36",
    "Mozilla/5.0 (iPhone; CPU iPhone OS 15_1 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/15.1 Mobile/15E148 Safari/604.1",
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/96.0.4664.45 Safari/537.36",
];

impl Matomo {
    /// Reads the files in a folder.
    ///
    /// # Errors
    /// Which file, and what is the matter with it, in one line.
    pub fn open(folder: &Path) -> Result<Self, String> {
        let folder = Folder(folder);
        let age = Age::of(&folder)?;
        let mut index = Builder::default();
        let bots = Names::add(&mut index, vec![folder.list("bots.yml")?]);
        let systems = Systems::add(&mut index, folder.list("oss.yml")?);
        let clients = CLIENTS.iter().map(|name| folder.list(&format!("client/{name}.yml")));
        let clients = Names::add(&mut index, clients.collect::<Result<_, _>>()?);
        let mut devices = |names: &[&str]| {
            let files = names.iter().map(|name| folder.map(&format!("device/{name}.yml")));
            Devices::add(&mut index, files.collect::<Result<_, _>>()?)
        };
        let televisions = devices(&["televisions"])?;
        let [shell_televisions, notebooks] = match age {
            Age::Former => [devices(&[])?, devices(&[])?],
            Age::Current => [devices(&[SHELL_TELEVISIONS])?, devices(&[NOTEBOOKS])?],
        };
        let others = devices(OTHERS)?;
        let makers = Names::add(&mut index, vec![files::makers(folder.map("vendorfragments.yml")?)]);
        let regexes = index.next() as usize;
        let rules = Rules::add(&mut index, age);
        let index = index.build()?;
        let engine = Self {
            regexes,
            index,
            bots,
            systems,
            clients,
            televisions,
            shell_televisions,
            notebooks,
            others,
            makers,
            rules,
        };
        for user_agent in COMMON {
            drop(engine.detect(user_agent));
        }
        settle_heap();
        Ok(engine)
    }

    /// Says what the files tell of a user agent; never panics, whatever the text.
    #[must_use]
    pub fn detect(&self, user_agent: &str) -> Detected {
        let mut text = self.index.look_at(user_agent);
        if let Some(bot) = self.bots.first(&mut text) {
            return Detected { bot: Some(bot), ..Detected::default() };
        }
        let (system, system_version) = self.systems.first(&mut text);
        let client = self.clients.first(&mut text);
        let mut detected =
            Detected { bot: None, system, system_version, client, kind: None, brand: None, model: None };
        self.device(&mut text, &mut detected);
        if detected.brand.is_none() {
            detected.brand = self.makers.first(&mut text);
        }
        self.rules.apply(&mut text, &mut detected);
        detected
    }

    fn device(&self, text: &mut Text<'_>, detected: &mut Detected) {
        if self.rules.is_tv(text) {
            self.televisions.first(text, detected);
            detected.kind = Some("tv");
            return;
        }
        if self.rules.is_shell_tv(text) {
            self.shell_televisions.first(text, detected);
            detected.kind = Some("tv");
            return;
        }
        if self.notebooks.first(text, detected) {
            return;
        }
        if !self.rules.hides_model(text) {
            self.others.first(text, detected);
        }
    }
}
