//! What the regexes leave open: above all the kind of a device, where neither model nor brand told it.
//!
//! The rules grew with the files. With files of today they are those by which Matomo's expected answers were made; with
//! those of 2018, which the Ruby detectors had for years, they are those of `device_detector` 1.0.

use super::index::{Builder, Text};
use super::systems::{Family, family};
use super::{Age, Detected};

/// Patterns that the rules ask for, by their numbers.
pub(super) struct Rules {
    pub(super) age: Age,
    tv: u32,
    shell_tv: u32,
    desktop: u32,
    more_than_desktop: u32,
    frozen: u32,
    headset: u32,
    pad: u32,
    chrome: u32,
    says_mobile: u32,
    tablet: u32,
    opera_tablet: u32,
    mobile: u32,
    touch: u32,
    puffin: [(u32, &'static str); 3],
    opera_tv: u32,
    opera_tv_store: u32,
    smart_tv: u32,
    bracket_tv: u32,
    says_desktop: u32,
}

/// Browsers that only televisions have.
const TV_CLIENTS: &[&str] = &[
    "Kylo",
    "Espial TV Browser",
    "LUJO TV Browser",
    "LogicUI TV Browser",
    "Open TV Browser",
    "Seraphic Sraf",
    "Opera Devices",
    "Crow Browser",
    "Vewd Browser",
    "TiviMate",
    "Quick Search TV",
    "QJY TV Browser",
    "TV Bro",
    "Redline",
];

/// What a rule goes by.
struct Case<'a> {
    system: &'a str,
    version: &'a str,
    family: Family,
    client: &'a str,
}

impl Case<'_> {
    /// Says whether a device that is nothing else is a desktop.
    fn has_desktop_system(&self) -> bool {
        matches!(self.family, Family::Linux | Family::Desktop) || self.system == "Mac"
    }
}

impl Rules {
    pub(super) fn add(index: &mut Builder, age: Age) -> Self {
        let mut add = |regex: &str| index.add(regex.to_owned());
        Self {
            age,
            tv: add(match age {
                Age::Former => r"HbbTV/[1-9](?:\.[0-9]){1,2}",
                Age::Current => r"(?:HbbTV|SmartTvA)/[1-9](?:\.[0-9]){1,2}",
            }),
            shell_tv: add(r"[a-z]+[ _]Shell[ _]\w{6}|tclwebkit\d+[.\d]*"),
            desktop: add(r"Windows (?:NT|IoT)|X11; Linux x86_64"),
            more_than_desktop: add(
                r"CE-HTML| Mozilla/|Andr[o0]id|Tablet|Mobile|iPhone|Windows Phone|ricoh|OculusBrowser|PicoBrowser|Lenovo|compatible; MSIE|Trident/|Tesla/|XBOX|FBMD/|OpenHarmony|ARM; ?[^)]+",
            ),
            frozen: add(r"Android (?:10[.\d]*; K(?: Build/|[;)])|1[1-5]\)) AppleWebKit"),
            headset: add(r"Android(?: \d+(?:\.\d+)*)?; Mobile VR;| VR "),
            pad: add("Pad/APad"),
            chrome: add(r"Chrome/[.0-9]*"),
            says_mobile: add("Mobile|eliboM"),
            tablet: add(match age {
                Age::Former => r"Android(?: \d.\d(?:.\d)?)?; Tablet;",
                Age::Current => r"Tablet(?! PC)|.*-tablet$",
            }),
            opera_tablet: add("Opera Tablet"),
            mobile: add(match age {
                Age::Former => r"Android(?: \d.\d(?:.\d)?)?; Mobile;",
                Age::Current => r"Android(?: [.\d]+)?; Mobile;|.*-mobile$",
            }),
            touch: add("Touch"),
            puffin: [
                (add(r"Puffin/\d+[.\d]+[LMW]D"), "desktop"),
                (add(r"Puffin/\d+[.\d]+[AIFLW]P"), "smartphone"),
                (add(r"Puffin/\d+[.\d]+[AILW]T"), "tablet"),
            ],
            opera_tv: add("Opera TV Store|OMI/"),
            opera_tv_store: add("Opera TV Store"),
            smart_tv: add(
                r"Andr0id|(?:Android(?: UHD)?|Google) TV|\(lite\) TV|BRAVIA|Firebolt|TV$|SmartTV|Tizen.+ TV .+$",
            ),
            bracket_tv: add(r"\(TV;"),
            says_desktop: add(r"Desktop(?: (?:x(?:32|64)|WOW64))?;"),
        }
    }

    pub(super) fn is_tv(&self, text: &mut Text<'_>) -> bool {
        text.has(self.tv)
    }

    pub(super) fn is_shell_tv(&self, text: &mut Text<'_>) -> bool {
        self.age == Age::Current && text.has(self.shell_tv)
    }

    /// Says whether the user agent holds nothing of a model: that of a computer, and the frozen one of Chrome on
    /// Android, which names `K` in place of each model.
    pub(super) fn hides_model(&self, text: &mut Text<'_>) -> bool {
        self.age == Age::Current
            && (text.has(self.frozen) || (text.has(self.desktop) && !text.has(self.more_than_desktop)))
    }

    /// Adds what the regexes left open.
    pub(super) fn apply(&self, text: &mut Text<'_>, detected: &mut Detected) {
        let Detected { system, system_version, client, kind, brand, model, bot: _ } = detected;
        let system = system.as_deref().unwrap_or_default();
        let version = system_version.as_deref().unwrap_or_default();
        let client = client.as_deref().unwrap_or_default();
        let case = Case { system, version, family: family(system), client };
        if self.age == Age::Former {
            *kind = self.former_kind(text, &case, *kind);
            return;
        }
        if case.family == Family::Apple && brand.is_none() {
            *brand = Some("Apple".to_owned());
        } else if case.family != Family::Apple && brand.as_deref() == Some("Apple") {
            // It only pretends.
            (*kind, *brand, *model) = (None, None, None);
        }
        let likely = kind.or_else(|| self.kind_by_fragment(text, &case));
        *kind = self.corrected(text, &case, likely).or_else(|| self.last_resort(text, &case));
    }

    /// The kind that a word of the user agent gives away, or the version of Android.
    fn kind_by_fragment(&self, text: &mut Text<'_>, case: &Case<'_>) -> Option<&'static str> {
        let is_puffin = case.client.starts_with("Puffin");
        if text.has(self.headset) {
            return Some("wearable");
        }
        if case.family == Family::Android && !is_puffin && text.has(self.chrome) {
            return Some(if text.has(self.says_mobile) { "smartphone" } else { "tablet" });
        }
        if text.has(self.tablet) {
            return Some("tablet");
        }
        if text.has(self.mobile) {
            return Some("smartphone");
        }
        let version = number(case.version);
        match case.system {
            _ if case.family == Family::Android && version < 2.0 => Some("smartphone"),
            _ if case.family == Family::Android && (3.0..4.0).contains(&version) => Some("tablet"),
            "Java ME" => Some("feature phone"),
            "SteamOS" => Some("console"),
            "Windows RT" if text.has(self.touch) => Some("tablet"),
            "Windows" if version >= 8.0 && text.has(self.touch) => Some("tablet"),
            _ => self.puffin.iter().find(|&&(pattern, _)| text.has(pattern)).map(|&(_, kind)| kind),
        }
    }

    /// What is said elsewhere of a device whose kind seemed to be known.
    fn corrected(
        &self,
        text: &mut Text<'_>,
        case: &Case<'_>,
        kind: Option<&'static str>,
    ) -> Option<&'static str> {
        let kind = match kind {
            _ if case.system == "KaiOS" => Some("feature phone"),
            Some("smartphone") if text.has(self.pad) => Some("tablet"),
            Some("feature phone") if case.family == Family::Android => Some("smartphone"),
            kind => kind,
        };
        match kind {
            Some("tv" | "peripheral" | "wearable" | "console") => kind,
            _ if case.system == "Coolita OS" => Some("tv"),
            _ if text.has(self.opera_tv) || text.has(self.smart_tv) => Some("tv"),
            _ if text.has(self.says_desktop) => Some("desktop"),
            kind => kind,
        }
    }

    fn last_resort(&self, text: &mut Text<'_>, case: &Case<'_>) -> Option<&'static str> {
        if TV_CLIENTS.contains(&case.client) || text.has(self.bracket_tv) {
            return Some("tv");
        }
        (case.has_desktop_system() && !case.client.starts_with("Puffin")).then_some("desktop")
    }

    /// As the Ruby detector had it: it compares versions as texts, so that Android 10 comes before Android 2.
    fn former_kind(
        &self,
        text: &mut Text<'_>,
        case: &Case<'_>,
        kind: Option<&'static str>,
    ) -> Option<&'static str> {
        let is_android = case.system == "Android" && !case.version.is_empty();
        let touch_system = case.system == "Windows RT" || (case.system == "Windows" && case.version >= "8");
        let kind = match kind {
            None if text.has(self.tablet) => Some("tablet"),
            _ if text.has(self.opera_tablet) => Some("tablet"),
            None if text.has(self.mobile) => Some("smartphone"),
            None if is_android && case.version < "2" => Some("smartphone"),
            None if is_android && ("3".."4").contains(&case.version) => Some("tablet"),
            Some("feature phone") if case.family == Family::Android => Some("smartphone"),
            None if touch_system && text.has(self.touch) => Some("tablet"),
            kind => kind,
        };
        match kind {
            _ if text.has(self.opera_tv_store) => Some("tv"),
            None if matches!(case.client, "Kylo" | "Espial TV Browser") => Some("tv"),
            None if case.has_desktop_system() && case.client != "Puffin" => Some("desktop"),
            kind => kind,
        }
    }
}

/// The version up to its second point: `4.0.3` is 4.0; not a number where it is none.
fn number(version: &str) -> f64 {
    let end = version.match_indices('.').nth(1).map_or(version.len(), |(at, _)| at);
    version[..end].parse().unwrap_or(f64::NAN)
}
