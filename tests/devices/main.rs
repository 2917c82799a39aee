//! How far the device engines agree with answers that others published or gave.
//!
//! `bin/setup test` gets what this needs: Matomo's files of today with the answers expected of them, and Debian's
//! `ruby-device-detector`, the detector of the original, with the files that it reads.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::LazyLock;
use std::time::{Duration, Instant};

use kafkastore::enrich::device::Device;
use kafkastore::enrich::device::matomo::{Detected, Matomo};
use kafkastore::enrich::device::woothee::Woothee;

use kafkastore::message::Message;
use kafkastore::payload::Payload;
use proptest::prelude::*;

use agreement::Agreement;
use fixtures::Fixture;

mod agreement;
mod fixtures;
mod hostile;
mod ruby;

const CURRENT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/target/devices/current");
const FORMER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/target/devices/former");

static BUILT_IN_ENGINE: LazyLock<Woothee> = LazyLock::new(Woothee::new);
static CURRENT_ENGINE: LazyLock<Matomo> = LazyLock::new(|| open(CURRENT));
static FORMER_ENGINE: LazyLock<Matomo> = LazyLock::new(|| open(FORMER));
static FIXTURES: LazyLock<Vec<Fixture>> =
    LazyLock::new(|| fixtures::read(&Path::new(CURRENT).join("fixtures")));
/// What the Ruby detector says.
static RUBY: LazyLock<BTreeMap<String, Detected>> = LazyLock::new(|| {
    let shipped = shipped().into_iter().map(|(_, user_agent)| user_agent);
    let bots = FIXTURES.iter().filter(|fixture| fixture.expected.bot.is_some());
    // It takes 20 ms each.
    let some = bots.chain(FIXTURES.iter().step_by(25)).map(|fixture| fixture.user_agent.clone());
    ruby::detect(&shipped.chain(some).collect())
});

fn open(folder: &str) -> Matomo {
    Matomo::open(Path::new(folder)).unwrap_or_else(|error| panic!("{error}, run bin/setup test"))
}

/// The user agents that the program ships, and how many of a million each is.
fn shipped() -> Vec<(u64, String)> {
    let row = |line: &str| {
        let (share, user_agent) = line.split_once('\t').expect("a share and a user agent");
        (share.parse().expect("a share"), user_agent.to_owned())
    };
    include_str!("../../data/user-agents.tsv").lines().map(row).collect()
}

/// The fields of an answer, by name; what a bot is beside a bot is not said.
fn fields(detected: &Detected) -> [(&'static str, Option<String>); 7] {
    let lower = |text: &Option<String>| text.as_ref().map(|text| text.to_lowercase());
    [
        ("bot", detected.bot.clone()),
        ("system", lower(&detected.system)),
        ("version", detected.system_version.clone()),
        ("client", detected.client.clone()),
        ("device", detected.kind.map(str::to_owned)),
        ("brand", detected.brand.clone()),
        ("model", detected.model.clone()),
    ]
}

#[test]
fn files_of_today_give_the_answers_published_with_them() {
    let mut agreement = Agreement::default();
    for Fixture { user_agent, expected } in FIXTURES.iter() {
        let got = CURRENT_ENGINE.detect(user_agent);
        for ((field, expected), (_, got)) in fields(expected).into_iter().zip(fields(&got)) {
            agreement.count(field, 1, expected, got, user_agent);
        }
    }
    let fields = ["bot", "system", "version", "client", "device", "brand", "model"];
    agreement.assert_at_least(99.5, &fields);
    agreement.assert_nothing_made_up(&fields);
}

#[test]
fn files_of_2018_give_the_answers_of_the_ruby_detector() {
    let mut agreement = Agreement::default();
    for (user_agent, expected) in RUBY.iter() {
        let got = FORMER_ENGINE.detect(user_agent);
        for ((field, expected), (_, got)) in fields(expected).into_iter().zip(fields(&got)) {
            agreement.count(field, 1, expected, got, user_agent);
        }
        // In the original's names, which are those that it answers in.
        let platform = expected.system.as_ref().map(|system| system.to_lowercase());
        let got = Device::from(got).platform.map(str::to_owned);
        agreement.count("platform", 1, platform, got, user_agent);
    }
    let fields = ["bot", "system", "client", "device", "model", "platform"];
    agreement.assert_at_least(99.5, &fields);
    agreement.assert_nothing_made_up(&fields);
    // It leaves the brand out where all of it are one model.
    agreement.assert_at_least(99.5, &["brand"]);
}

/// The original's files were of 2016: what later ones knew better is named.
#[test]
fn files_of_2018_write_what_the_original_wrote() {
    let mut differences = Vec::new();
    for line in include_str!("../original.jsonl").lines() {
        let case: serde_json::Value = serde_json::from_str(line).expect("a case");
        let (raw, message) = (case["raw"].as_str(), case["message"].as_str());
        let (Some(raw), Some(message)) = (raw, message) else { continue };
        let Ok(payload) = Payload::parse(raw.as_bytes(), &None) else { continue };
        let original = Message::parse(message.as_bytes()).expect("a message");
        let user_agent = String::from_utf8_lossy(&payload.user_agent()).into_owned();
        let ours = Device::from(FORMER_ENGINE.detect(&user_agent));
        let owned = |text: Option<&str>| text.map(str::to_owned);
        for (field, original, ours) in [
            ("bot_name", original.bot_name, ours.bot_name),
            ("device", original.device, owned(ours.device)),
            ("device_name", original.device_name, ours.device_name),
            ("platform", original.platform, owned(ours.platform)),
        ] {
            let or_none = |text: Option<String>| text.unwrap_or_default();
            let (original, ours) = (or_none(original), or_none(ours));
            if original != ours {
                differences.push(format!("{field}: {original}, now {ours}"));
            }
        }
    }
    assert_eq!(
        differences,
        [
            // A television by Samsung.
            "device: smartphone, now tv",
            "device_name: Browser, now Smart TV",
            // okhttp.
            "platform: , now android",
            // An app on iOS 9.3.
            "device: desktop, now ",
            "platform: mac, now ios",
        ]
    );
}

/// Trackers hash the platform as the original names it.
#[test]
fn files_of_today_keep_the_names_of_platforms() {
    let mut agreement = Agreement::default();
    for (share, user_agent) in shipped() {
        let got = Device::from(CURRENT_ENGINE.detect(&user_agent));
        count_device(&mut agreement, share, &user_agent, &RUBY[&user_agent], got);
    }
    agreement.assert_at_least(99.0, &["platform"]);
    agreement.assert_at_least(99.0, &["device"]);
}

/// Counts an answer in the words that consumers get.
fn count_device(agreement: &mut Agreement, weight: u64, user_agent: &str, expected: &Detected, got: Device) {
    let expected = Device::from(expected.clone());
    let owned = |text: Option<&str>| text.map(str::to_owned);
    for (field, expected, got) in [
        ("bot_name", expected.bot_name, got.bot_name),
        ("device", owned(expected.device), owned(got.device)),
        ("device_name", expected.device_name, got.device_name),
        ("platform", owned(expected.platform), owned(got.platform)),
    ] {
        agreement.count(field, weight, expected, got, user_agent);
    }
}

#[test]
fn the_built_in_engine_comes_near_the_ruby_detector() {
    let mut of_people = Agreement::default();
    for (share, user_agent) in shipped() {
        count_device(
            &mut of_people,
            share,
            &user_agent,
            &RUBY[&user_agent],
            BUILT_IN_ENGINE.detect(&user_agent),
        );
    }
    of_people.assert_at_least(99.0, &["device", "platform"]);
    let mut of_bots = Agreement::default();
    for fixture in FIXTURES.iter().filter(|fixture| fixture.expected.bot.is_some()) {
        let Fixture { user_agent, .. } = fixture;
        count_device(&mut of_bots, 1, user_agent, &RUBY[user_agent], BUILT_IN_ENGINE.detect(user_agent));
    }
    of_bots.assert_at_least(80.0, &["bot_name"]);
}

/// One user agent of each device that Matomo knows: far from what real traffic holds.
#[test]
fn the_built_in_engine_tells_most_devices() {
    let mut agreement = Agreement::default();
    for Fixture { user_agent, expected } in FIXTURES.iter() {
        count_device(&mut agreement, 1, user_agent, expected, BUILT_IN_ENGINE.detect(user_agent));
    }
    agreement.assert_at_least(70.0, &["device"]);
    agreement.assert_at_least(90.0, &["platform"]);
    agreement.assert_at_least(15.0, &["device_name"]);
}

#[test]
fn the_built_in_engine_takes_hardly_anybody_for_a_bot() {
    let people =
        FIXTURES.iter().filter(|fixture| fixture.expected.bot.is_none()).map(|fixture| &*fixture.user_agent);
    let people: Vec<&str> = people.collect();
    let bots: Vec<&str> = people
        .iter()
        .copied()
        .filter(|user_agent| BUILT_IN_ENGINE.detect(user_agent).bot_name.is_some())
        .collect();
    println!("{} of {}: {bots:#?}", bots.len(), people.len());
    assert!(bots.len() * 1_000 < people.len(), "{bots:#?}");
}

/// The limit is far above what the slowest takes, for a busy machine and a test build; what is quadratic takes longer.
#[test]
fn no_user_agent_takes_long() {
    for (engine, regexes) in [(&*CURRENT_ENGINE, CURRENT), (&*FORMER_ENGINE, FORMER)] {
        let real = FIXTURES.iter().map(|fixture| &*fixture.user_agent);
        for user_agent in hostile::user_agents(real, Path::new(regexes)) {
            let begin = Instant::now();
            std::hint::black_box(engine.detect(&user_agent));
            let took = begin.elapsed();
            assert!(took < Duration::from_millis(200), "{took:?}: {user_agent}");
        }
    }
}

proptest! {
    #[test]
    fn no_text_makes_an_engine_panic(text in "\\PC{0,200}|([a-zA-Z0-9 ;/().,_-]|Android|Linux|Mozilla|Build|TV|bot){0,80}") {
        drop(CURRENT_ENGINE.detect(&text));
        drop(FORMER_ENGINE.detect(&text));
    }
}
