use std::fs;
use std::path::Path;
use std::sync::LazyLock;

use proptest::prelude::*;
use tempfile::TempDir;

use super::index::{Builder, Index};
use super::systems::original_name;
use super::{Detected, Device, Matomo};

/// No user agent has it.
const ONE: &str = "- regex: 'Nothing at all'\n  name: 'Nothing'\n";
const ONE_BRAND: &str = "Nobody:\n  regex: 'Nothing at all'\n";
const NEWER: &[(&str, &str)] = &[("device/notebooks.yml", ONE_BRAND), ("device/shell_tv.yml", ONE_BRAND)];

/// Files of our own, as small as they can be.
const FILES: &[(&str, &str)] = &[
    (
        "bots.yml",
        "- regex: 'Sniffer(?! Phone)'\n  name: 'Sniffer'\n- regex: '(Crawl|Walk)er/\\d'\n  name: '$1er Bot'\n",
    ),
    (
        "oss.yml",
        "- regex: '(Ubuntu|Fedora)[ /]?(\\d+[.\\d]*)?'\n  name: '$1'\n  version: '$2'\n\
         - regex: 'Fire ?OS'\n  name: 'Fire OS'\n  version: ''\n\
         - regex: 'Android(?: (\\d+[.\\d]*))?'\n  name: 'Android'\n  version: '\\g<1>'\n\
         - regex: 'Darwin/(\\d+)'\n  name: 'Mac'\n  version: '$1'\n  versions:\n    - regex: 'Darwin/13'\n      version: '10.9'\n\
         - regex: 'Windows NT (\\d+\\.\\d+)'\n  name: 'Windows'\n  version: '$1'\n",
    ),
    ("client/feed_readers.yml", ONE),
    ("client/mobile_apps.yml", ONE),
    ("client/mediaplayers.yml", ONE),
    ("client/pim.yml", ONE),
    ("client/browsers.yml", "- regex: 'Chrome/(\\d+)'\n  name: 'Chrome'\n- regex: 'Kylo'\n  name: 'Kylo'\n"),
    ("client/libraries.yml", ONE),
    ("device/televisions.yml", "Acme:\n  regex: 'Acme TV'\n  device: 'tv'\n  model: 'Vision'\n"),
    ("device/consoles.yml", ONE_BRAND),
    ("device/car_browsers.yml", ONE_BRAND),
    ("device/cameras.yml", ONE_BRAND),
    ("device/portable_media_player.yml", ONE_BRAND),
    (
        "device/mobiles.yml",
        "Acme:\n  regex: '(?:ACME[ _-])?(?:Rocket|Skate)[ _-]?\\w*|AC-\\d+'\n  device: 'smartphone'\n  models:\n\
         \x20   - regex: 'Rocket[ _-]?Pad'\n      model: 'Rocket Pad'\n      device: 'tablet'\n\
         \x20   - regex: '(Rocket[ _-]?\\w*)(?:[);/ ]|$)'\n      model: '$1'\n\
         \x20   - regex: 'AC-(1)(\\d+)'\n      model: 'AC $1/$2'\n      brand: 'Other'\n\
         Late:\n  regex: 'Rocket|Slate'\n  device: 'tablet'\n  model: 'Slate'\n",
    ),
    ("vendorfragments.yml", "Maker:\n  - 'MAKR(JS)?'\n"),
];

fn write_files(folder: &Path, more: &[(&str, &str)]) {
    for (name, text) in FILES.iter().chain(more) {
        let path = folder.join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }
}

fn engine(more: &[(&str, &str)]) -> Result<Matomo, String> {
    let folder = TempDir::new().unwrap();
    write_files(folder.path(), more);
    Matomo::open(folder.path()).map_err(|error| error.replace(&folder.path().display().to_string(), "FOLDER"))
}

/// `bot | system version | client | kind | brand | model`
fn seen(engine: &Matomo, user_agent: &str) -> String {
    let Detected { bot, system, system_version, client, kind, brand, model } = engine.detect(user_agent);
    let or_dash = |text: Option<&str>| text.unwrap_or("-").to_owned();
    if let Some(bot) = bot {
        return bot;
    }
    let system = format!("{} {}", or_dash(system.as_deref()), or_dash(system_version.as_deref()));
    [system, or_dash(client.as_deref()), or_dash(kind), or_dash(brand.as_deref()), or_dash(model.as_deref())]
        .join(" | ")
}

#[test]
fn the_first_regex_that_matches_counts() {
    let engine = engine(&[]).unwrap();
    for (user_agent, expected) in [
        // Brand and model by their order, not by their place in the user agent.
        ("Slate Rocket_X", "- - | - | smartphone | Acme | Rocket X"),
        ("Slate", "- - | - | tablet | Late | Slate"),
        ("acme rocket pad", "- - | - | tablet | Acme | Rocket Pad"),
        // No model matches: the brand and its kind are known.
        ("Skate_7", "- - | - | smartphone | Acme | -"),
        ("AC-123", "- - | - | smartphone | Other | AC 1/23"),
        // Found behind what ends a word only.
        ("XRocket", "- - | - | - | - | -"),
        ("X-Rocket", "- - | - | - | - | -"),
        ("sprd-Rocket", "- - | - | smartphone | Acme | Rocket"),
        ("_Rocket", "- - | - | - | - | -"),
        (";_Rocket", "- - | - | smartphone | Acme | Rocket"),
        // A trailing TD tells how a device transmits.
        ("Rocket_TD", "- - | - | smartphone | Acme | Rocket"),
        ("Fedora/33.1 Chrome/9", "Fedora 33.1 | Chrome | desktop | - | -"),
        ("ubuntu", "ubuntu - | - | desktop | - | -"),
        ("Darwin/13", "Mac 10.9 | - | desktop | - | -"),
        ("Darwin/20", "Mac 20 | - | desktop | - | -"),
        ("Windows NT 6.2; MAKRJS; Touch", "Windows 6.2 | - | desktop | Maker | -"),
        ("Crawler/2", "Crawler Bot"),
        ("Sniffer", "Sniffer"),
        ("Sniffer Phone", "- - | - | - | - | -"),
        ("Kylo", "- - | Kylo | tv | - | -"),
        ("HbbTV/1.2.1 (Acme TV)", "- - | - | tv | Acme | Vision"),
        ("HbbTV/1.2.1 Rocket", "- - | - | tv | - | -"),
        ("", "- - | - | - | - | -"),
    ] {
        assert_eq!(seen(&engine, user_agent), expected, "{user_agent}");
    }
}

#[test]
fn a_word_behind_a_long_text_is_found() {
    let bots = "- regex: '[a-z0-9_-]*(?:(?<!cu|power )bot(?! tab)|spider)'\n  name: 'Some Bot'\n";
    let engine = engine(&[("bots.yml", bots)]).unwrap();
    let long = "Mozilla/5.0 (Linux; Android 9; SM-G960F) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/96.0 "
        .repeat(20);
    assert_eq!(seen(&engine, &format!("{long} cubot power bot bot tab foospider/1.0")), "Some Bot");
    assert_eq!(seen(&engine, &format!("{long} cubot foobot/1.0")), "Some Bot");
    assert_ne!(seen(&engine, &format!("{long} cubot power bot bot tab")), "Some Bot");
}

#[test]
fn rules_are_those_of_the_age_of_the_files() {
    let former = engine(&[]).unwrap();
    let current = engine(NEWER).unwrap();
    for (user_agent, by_former, by_current) in [
        ("Android 4.4; Chrome/30 Mobile", None, Some("smartphone")),
        ("Android 4.4; Chrome/30.0 Safari", None, Some("tablet")),
        ("Android 4.4; Mobile;", Some("smartphone"), Some("smartphone")),
        ("Android 4.4; Tablet;", Some("tablet"), Some("tablet")),
        ("Android 1.6", Some("smartphone"), Some("smartphone")),
        ("Android 3.1", Some("tablet"), Some("tablet")),
        // Other browsers name themselves in between.
        ("Android 4.4; Chrome/30 Whale/1.0 Mobile", None, Some("smartphone")),
        // Versions were compared as texts.
        ("Android 10", Some("smartphone"), None),
        ("Windows NT 8.1; Touch", Some("tablet"), Some("tablet")),
        ("Windows NT 10.0; Touch", Some("desktop"), Some("tablet")),
        ("Windows NT 6.1; Touch", Some("desktop"), Some("desktop")),
        ("Android 9; Acme TV; BRAVIA", None, Some("tv")),
        ("Opera TV Store", Some("tv"), Some("tv")),
        ("Acme Shell ABCDEF", None, Some("tv")),
    ] {
        assert_eq!(former.detect(user_agent).kind, by_former, "{user_agent}");
        assert_eq!(current.detect(user_agent).kind, by_current, "{user_agent}");
    }
}

#[test]
fn a_frozen_user_agent_gets_no_made_up_model() {
    let generic = (
        "device/mobiles.yml",
        "Generic:\n  regex: 'Android.+; ([^;)]+)\\)'\n  device: 'smartphone'\n  model: '$1'\n",
    );
    let engine = engine(&[NEWER, &[generic]].concat()).unwrap();
    let user_agent = |model| {
        format!(
            "Mozilla/5.0 (Linux; Android 10; {model}) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0 Mobile Safari/537.36"
        )
    };
    assert_eq!(seen(&engine, &user_agent("K")), "Android 10 | Chrome | smartphone | - | -");
    assert_eq!(seen(&engine, &user_agent("K2")), "Android 10 | Chrome | smartphone | Generic | K2");
}

#[test]
fn what_is_wrong_with_the_files_is_said() {
    let wrong = |more: &[(&str, &str)]| engine(more).err().expect("an error");
    assert_eq!(
        Matomo::open(Path::new("/nowhere")).err().unwrap(),
        "/nowhere/bots.yml: No such file or directory (os error 2)"
    );
    assert!(wrong(&[("oss.yml", "- regex: 'x'\n")]).starts_with("FOLDER/oss.yml: "));
    assert!(wrong(&[("bots.yml", "- regex: [")]).starts_with("FOLDER/bots.yml: "));
    let of_regex = |regex: &str| wrong(&[("bots.yml", &format!("- regex: '{regex}'\n  name: 'x'\n"))]);
    assert_eq!(of_regex("a(b"), "FOLDER/bots.yml: \"a(b\": unclosed group");
    assert!(of_regex("a(?!b").starts_with("FOLDER/bots.yml: \"a(?!b\": "));
    assert_eq!(of_regex("[0-9&&a]"), "FOLDER/bots.yml: \"[0-9&&a]\": a class with &&, -- or ~~");
    assert_eq!(of_regex("(?:(?:a{1000}){1000})"), "FOLDER/bots.yml: \"(?:(?:a{1000}){1000})\": too large");
    assert!(of_regex(&format!("{}(?!a)b{}", "(".repeat(20_000), ")".repeat(20_000))).ends_with("too many"));
    for empty in ["", "# cut short\n", "[]"] {
        assert!(wrong(&[("bots.yml", empty)]).starts_with("FOLDER/bots.yml: "), "{empty:?}");
    }
    assert_eq!(wrong(&NEWER[..1]), "FOLDER: of device/shell_tv.yml and device/notebooks.yml one is missing");
    assert_eq!(
        wrong(&[("device/mobiles.yml", "Acme:\n  regex: 'x'\n  device: 'toaster'\n")]),
        "FOLDER/device/mobiles.yml: unknown device type toaster of Acme"
    );
}

#[test]
fn systems_get_the_names_of_the_original() {
    for (name, expected) in [
        ("Android", Some("android")),
        ("Fire OS", Some("android")),
        ("HarmonyOS", Some("android")),
        ("Lineage OS", Some("android")),
        ("CyanogenMod", Some("cyanogenmod")),
        ("YunOS", Some("yunos")),
        ("iOS", Some("ios")),
        ("iPadOS", Some("ios")),
        ("tvOS", Some("ios")),
        ("Mac", Some("mac")),
        ("KaiOS", Some("firefox os")),
        ("Chromium OS", Some("chrome os")),
        ("Windows IoT", Some("windows")),
        ("Windows Phone", Some("windows phone")),
        ("GNU/Linux", Some("gnu/linux")),
        ("ubuntu", Some("ubuntu")),
        ("Raspberry Pi OS", Some("gnu/linux")),
        ("TiVo OS", Some("gnu/linux")),
        // Which it did not know.
        ("watchOS", None),
        ("HarmonyOS NEXT", None),
        ("Roku OS", None),
    ] {
        assert_eq!(original_name(name), expected, "{name}");
    }
    let detected = Detected { system: Some("Fire OS".to_owned()), ..Detected::default() };
    assert_eq!(Device::from(detected).platform, Some("android"));
}

/// Patterns of each kind that the files have.
const PATTERNS: &[&str] = &[
    "ab|c(?:a|b)+d",
    "(?:xx-)?(a[bc]|b_\\d)(?:[);/ ]|$)",
    "A.+(b|d)c",
    ".*cab",
    "[a-c]{2}[0-9]",
    "[^;/]+; d",
    "^da",
    "a(?!b)c?",
    "(?<!d )b(c)|(?:da(?!b)|(c)d(?= ))x?",
    "[A-z]{3}9",
    "\\w+_d",
    "(?:(a)|b)?(?:c|(d))1",
    "\\bcd\\b",
    "(?:cd [a-z0-9_]+ |.*a/b\\d+-)(\\d+)|c",
    "[[:upper:]]b",
    "[\\x41\\x42]c",
    "b$",
];

static INDEX: LazyLock<Index> = LazyLock::new(|| {
    let mut builder = Builder::default();
    for pattern in PATTERNS {
        builder.add((*pattern).to_owned());
    }
    builder.build().unwrap()
});

/// The same patterns, each looked for by itself.
static NAIVE: LazyLock<Vec<fancy_regex::Regex>> = LazyLock::new(|| {
    let naive = |pattern| {
        let pattern = format!("(?:^|[^A-Z0-9_-]|[^A-Z0-9-]_|sprd-|MZ-)(?:{pattern})");
        let mut builder = fancy_regex::RegexBuilder::new(&pattern);
        builder.case_insensitive(true).bytes_mode(fancy_regex::BytesMode::Ascii).build().unwrap()
    };
    PATTERNS.iter().map(naive).collect()
});

proptest! {
    #![proptest_config(ProptestConfig::with_cases(20_000))]

    /// What literals leave to be tried is what would have matched, with the same groups.
    #[test]
    fn the_index_finds_what_each_pattern_would_find_by_itself(text in "[abcdABCD19_; /()xé-]{0,16}") {
        for (number, naive) in (0..).zip(NAIVE.iter()) {
            let pattern = PATTERNS[number as usize];
            let expected = naive.captures(text.as_bytes()).unwrap();
            let found = INDEX.look_at(&text).first(number..number + 1);
            prop_assert_eq!(found.is_some(), expected.is_some(), "{} in {:?}", pattern, &text);
            let (Some(found), Some(expected)) = (found, expected) else { continue };
            {
                for group in 1..expected.len() {
                    let span = expected.get(group).map(|group| (group.start(), group.end()));
                    let not_empty = |(from, to): &(usize, usize)| from < to;
                    prop_assert_eq!(
                        found.groups[group].filter(not_empty), span.filter(not_empty),
                        "{} in {:?}", pattern, &text
                    );
                }
            }
        }
    }
}
