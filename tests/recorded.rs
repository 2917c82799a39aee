//! What the program of 2016 wrote, what its trackers push, and what those who read the messages depend on.

#![allow(clippy::unwrap_used, reason = "in a test a panic is the answer")]

use std::io::Write;
use std::process::{Command, Stdio};

use proptest::prelude::*;
use serde_json::Value;

/// The clock that the recording was made with.
const NOW: &str = "1465287057";

/// Cases whose outcome differs on purpose, by their number in the file (the first is 1).
const ACCEPTED_THEN_REJECTED_NOW: [(usize, &str, &str); 4] = [
    (22, "timestamp", "`abc` is no time: no tracker means it, no consumer can match it"),
    (23, "timestamp", "`12.7` is no whole number of seconds"),
    (24, "timestamp", "`-5` is before 1970"),
    (25, "ip", "`10.0.0.1/24` is a network, no address"),
];
const REFUSED_THEN_ACCEPTED_NOW: [(usize, &str); 1] =
    [(28, "some proxies write `1.2.3.4:5678`: the port is dropped")];

/// Cases in which a device field differs: the device engine is another.
const OTHER_DEVICE: [(usize, &str); 3] = [
    (6, "the original knew that GT-I9505 is sold as GALAXY S4"),
    (43, "the original took a Samsung TV for a smartphone named Browser"),
    (45, "the original knew that SM-T800 is sold as GALAXY Tab S 10.5\" WiFi"),
];

struct Filtered {
    messages: Vec<String>,
    rejected: Vec<Value>,
}

/// Runs the program itself as a filter over these lines.
fn enrich(lines: &[Vec<u8>]) -> Filtered {
    let mut program = Command::new(env!("CARGO_BIN_EXE_kafkastore"))
        .args(["enrich", "--now", NOW])
        .env_clear()
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdin = program.stdin.take().unwrap();
    let mut input = lines.join(&b'\n');
    input.push(b'\n');
    let writer = std::thread::spawn(move || stdin.write_all(&input).unwrap());
    let output = program.wait_with_output().unwrap();
    writer.join().unwrap();
    assert!(output.status.success());
    let lines =
        |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap().lines().map(str::to_owned).collect();
    let errors: Vec<String> = lines(&output.stderr);
    Filtered {
        messages: lines(&output.stdout),
        rejected: errors.iter().map(|line| serde_json::from_str(line).unwrap()).collect(),
    }
}

/// The one outcome of one line: `Ok(topic<TAB>message)` or `Err(reason)`.
fn outcome(line: &[u8]) -> Result<String, String> {
    // A newline ends a line of the filter; in Redis it would be white space like any other.
    let line: Vec<u8> = line.iter().map(|&byte| if byte == b'\n' { b' ' } else { byte }).collect();
    let filtered = enrich(&[line]);
    match (filtered.messages.as_slice(), filtered.rejected.as_slice()) {
        ([message], []) => Ok(message.clone()),
        ([], [rejected]) => Err(rejected["reason"].as_str().unwrap().to_owned()),
        _ => panic!("{} messages, {} rejected", filtered.messages.len(), filtered.rejected.len()),
    }
}

/// What a consumer makes of a message, after the rules that the consumers of 2016 follow.
#[derive(Debug, PartialEq)]
struct Consumed {
    event: String,
    path: String,
    meta: Vec<(String, Option<String>)>,
    params: Vec<(String, Option<String>)>,
}

impl Consumed {
    /// Three words by white space; the type is what follows the last slash of the first.
    fn read(message: &str) -> Option<Self> {
        let words: Vec<&str> = message.split_ascii_whitespace().collect();
        assert_eq!(words.len(), 3, "{message:?}");
        assert!(!message.contains(['\n', '\t', '\x0b', '\x0c', '\r']));
        // /^[^[:space:]]*\/([^[:space:]]+)[[:space:]]/
        let (_, event) = words[0].rsplit_once('/').filter(|(_, event)| !event.is_empty()).or_else(|| {
            let inner = words[0].strip_suffix('/')?;
            Some(("", &words[0][inner.rfind('/')? + 1..]))
        })?;
        let (path, meta, params) = (words[0].to_owned(), cgi(words[1]), cgi(words[2]));
        Some(Self { event: event.to_owned(), path, meta, params })
    }

    fn meta(&self, key: &str) -> Option<&str> {
        self.meta.iter().find(|(name, _)| name == key)?.1.as_deref()
    }
}

/// Ruby's `CGI.parse`: pairs by `&` and `;`, `+` is a space, a bare key has no value.
fn cgi(text: &str) -> Vec<(String, Option<String>)> {
    let decoded = |text: &str| {
        let spaced = text.replace('+', " ");
        percent_encoding::percent_decode_str(&spaced).decode_utf8_lossy().into_owned()
    };
    text.split(['&', ';'])
        .map(|pair| match pair.split_once('=') {
            Some((key, value)) => (decoded(key), Some(decoded(value))),
            None => (decoded(pair), None),
        })
        .collect()
}

#[test]
fn the_recorded_cases_agree_but_for_the_differences_that_are_named() {
    let cases: Vec<Value> =
        include_str!("original.jsonl").lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(cases.len(), 55);
    let mut other_device = Vec::new();
    let mut other_country = Vec::new();
    for (case, number) in cases.iter().zip(1..) {
        let raw = case["raw"].as_str().unwrap();
        let ours = outcome(raw.as_bytes());
        if let Some((_, reason, why)) = ACCEPTED_THEN_REJECTED_NOW.iter().find(|(n, ..)| *n == number) {
            assert!(case["message"].is_string());
            assert_eq!(ours, Err((*reason).to_owned()), "case {number}: {why}");
            continue;
        }
        let accepted_now = REFUSED_THEN_ACCEPTED_NOW.iter().find(|(n, _)| *n == number);
        match (&case["message"], ours) {
            (Value::String(theirs), Ok(ours)) => {
                let (topic, message) = ours.split_once('\t').unwrap();
                assert_eq!(topic, case["topic"].as_str().unwrap(), "case {number}");
                let (ours, theirs) = (Consumed::read(message), Consumed::read(theirs));
                let (Some(ours), Some(theirs)) = (ours, theirs) else {
                    assert_eq!(number, 4, "only the path / passes no consumer's gate");
                    continue;
                };
                assert_eq!((&ours.path, &ours.params), (&theirs.path, &theirs.params), "case {number}");
                for ((key, mine), (their_key, original)) in ours.meta.iter().zip(&theirs.meta) {
                    assert_eq!(key, their_key, "case {number}");
                    match key.as_str() {
                        "bot_name" | "device" | "device_name" if mine != original => {
                            other_device.push(number)
                        }
                        "country" if mine != original => other_country.push(number),
                        "bot_name" | "device" | "device_name" | "country" => {}
                        _ => assert_eq!(mine, original, "case {number}: {key}"),
                    }
                }
                assert_eq!(ours.meta.len(), 8);
            }
            (Value::Null, Err(_)) => assert!(accepted_now.is_none(), "case {number}"),
            (Value::Null, Ok(_)) => assert!(accepted_now.is_some(), "case {number}: {raw}"),
            (theirs, ours) => panic!("case {number}: {theirs} then, {ours:?} now"),
        }
    }
    other_device.dedup();
    assert_eq!(other_device, OTHER_DEVICE.map(|(number, _)| number));
    assert_eq!(other_country, [] as [usize; 0], "the shipped database agrees with that of 2016");
}

/// Its topic and parts of its message, or the reason why it is rejected.
type Becomes = Result<(&'static str, &'static [&'static str]), &'static str>;

/// The lines that trackers push, and what must become of each: the reason, or parts of the message.
const TRACKER_LINES: [(&str, Becomes); 20] = [
    (
        "188.103.17.61 1465287056 inapp /t/ist adid=ECC27E57-1605-2714-CCCC-13DC6DFB742E Mozilla/5.0 (iPhone; CPU iPhone OS 9_3 like Mac OS X) AppleWebKit/601.1.46 (KHTML, like Gecko) Version/9.0 Mobile/13E230 Safari/601.1",
        Ok((
            "inapp",
            &[
                "/t/ist bot_name&country=DE&device=smartphone&device_name=iPhone&ip=3160871229&klag=1&platform=ios&ts=1465287056 adid=ECC27E57-1605-2714-CCCC-13DC6DFB742E",
            ],
        )),
    ),
    (
        "8.8.8.8 1465287056 inapp /t/ist p ",
        Ok(("inapp", &["/t/ist ", "&device&device_name&ip=134744072&", "&platform=&", " p"])),
    ),
    ("8.8.8.8 1465287056 inapp / p curl/7.43.0", Ok(("inapp", &["/ bot_name&"]))),
    ("127.0.0.1 1465287056 inapp /t/pob p x", Ok(("inapp", &["/t/pob bot_name&country&", " p"]))),
    ("127.0.0.1 1465287056 inapp /t/pob %20 x", Ok(("inapp", &[" %20"]))),
    (
        "8.8.8.8 1465287056 inapp /t/apo a=%20b+c&d=1;e=2   two  spaces ",
        Ok(("inapp", &[" a=%20b+c&d=1;e=2"])),
    ),
    ("8.8.8.8 1465287056 inapp /t/apo a=1 tab\there", Ok(("inapp", &[" a=1"]))),
    ("1.1.1.1 1465287056 inapp /t/apo a=2 ", Ok(("inapp", &["&ip=16843009&", " a=2"]))),
    ("1.2.3.4:5678 1465287056 inapp /t/apo a=5 ", Ok(("inapp", &["&ip=16909060&"]))),
    ("unknown 1465287056 inapp /t/apo a=4 ", Err("ip")),
    (
        "2a00:1450:4001:80b::200e 1465287056 inapp /t/apo a=7 ",
        Ok(("inapp", &["country=IE", "&ip=55827987829219828372747129755843698702&"])),
    ),
    ("0.0.0.0 1465287056 inapp /t/apo a=11 ", Ok(("inapp", &["&country&", "&ip=0&"]))),
    ("127.0.0.1 1465287056 INAPP /t/apo a=14 ", Ok(("INAPP", &["/t/apo "]))),
    ("127.0.0.1 1465287056  /t/apo a=18b Mozilla/5.0 (iPhone)", Err("topic")),
    ("8.8.8.8 1465287056 inapp  p curl/7.43.0", Err("path")),
    ("127.0.0.1 1465287056 inapp /t/apo/ a=25 ", Ok(("inapp", &["/t/apo/ "]))),
    ("127.0.0.1 1465287056 inapp /t/ümläut a=33&ü=ö ", Ok(("inapp", &["/t/ümläut ", " a=33&ü=ö"]))),
    (
        "8.8.8.8 1465287056 clicks /t/click ad=ad&adgroup=ag&adid&attr_window_from=2016-06-07T08%3A10%3A56%2B00%3A00&attr_window_till=2016-06-08T08%3A10%3A56%2B00%3A00&campaign=c&campaign_link_id=1&click&created_at=2016-06-07T08%3A10%3A56%2B00%3A00&idfa_comb&lookup_key=8fb230bab822c8290433f3f61ac3a375&network=net&partner_data&redirect_url=https%3A%2F%2Fitunes.apple.com%2Fapp%2Fid1&reqparams=&user_id=1 Mozilla/5.0 (iPhone; CPU iPhone OS 9_3 like Mac OS X)",
        Ok((
            "clicks",
            &[
                "platform=ios",
                "&adid&attr_window_from=2016-06-07T08%3A10%3A56%2B00%3A00&",
                "&reqparams=&user_id=1",
            ],
        )),
    ),
    (
        "8.8.8.8 1465287056 clicks /t/click ad=ad&adgroup=ag&adid=ECC27E57-1605-2714-CAFE-13DC6DFB742F&attr_window_from=2016-06-07T08%3A10%3A56%2B00%3A00&attr_window_till=2016-06-14T08%3A10%3A56%2B00%3A00&campaign=c&campaign_link_id=1&click=abc&created_at=2016-06-07T08%3A10%3A56%2B00%3A00&idfa_comb=ECC27E57-1605-2714-CAFE-13DC6DFB742F&lookup_key=bb0ca0283abd536a7ae2941c6cde29dd&network=net&partner_data=x%20y&redirect_url=https%3A%2F%2Fplay.google.com%2Fstore%2Fapps%2Fdetails%3Fid%3Dx&reqparams=sub%3D1%26sub2%3Da%2526b&user_id=1 Mozilla/5.0 (Linux; Android 4.4.2; GT-I9505 Build/KOT49H)",
        Ok(("clicks", &["device_name=GT-I9505", "platform=android", "&reqparams=sub%3D1%26sub2%3Da%2526b&"])),
    ),
    (
        "1.2.3.4 1465287056 clicks /t/click ad=ad&adgroup=ag&adid=FUBAR&attr_window_from=2016-06-07T08%3A10%3A56%2B00%3A00&attr_window_till=2016-06-08T08%3A10%3A56%2B00%3A00&campaign=c&campaign_link_id=3&click&created_at=2016-06-07T08%3A10%3A56%2B00%3A00&idfa_comb&lookup_key=7107bb4b118a1e52b47430c40d517554&network=net&partner_data&redirect_url&reqparams=&user_id=1 iPhone",
        Ok(("clicks", &["device=smartphone", "&redirect_url&reqparams=&user_id=1"])),
    ),
];

#[test]
fn each_line_of_the_trackers_becomes_what_it_must() {
    for (line, expected) in TRACKER_LINES {
        match (outcome(line.as_bytes()), expected) {
            (Ok(output), Ok((topic, parts))) => {
                let (its_topic, message) = output.split_once('\t').unwrap();
                assert_eq!(its_topic, topic, "{line}");
                for part in parts {
                    assert!(message.contains(part), "{part:?} is not in {message:?}");
                }
            }
            (Err(reason), Err(expected)) => assert_eq!(reason, expected, "{line}"),
            (ours, expected) => panic!("{line}: {ours:?}, not {expected:?}"),
        }
    }
}

#[test]
fn a_shifted_line_shows_by_its_path() {
    // An empty topic behind one more field than the last check needs.
    assert_eq!(outcome(b"8.8.8.8 1465287056 inapp  p curl/7.43.0 (x86_64)"), Err("path".to_owned()));
}

#[test]
fn a_consumer_gets_back_every_field_and_parameter() {
    for (line, expected) in TRACKER_LINES {
        if expected.is_err() {
            continue;
        }
        let output = outcome(line.as_bytes()).unwrap();
        let (_, message) = output.split_once('\t').unwrap();
        let fields: Vec<&str> = line.split_ascii_whitespace().collect();
        let Some(consumed) = Consumed::read(message) else {
            assert_eq!(fields[3], "/", "only the path / passes no consumer's gate");
            continue;
        };
        assert_eq!(consumed.path, fields[3]);
        assert_eq!(consumed.params, cgi(fields[4]));
        assert_eq!(consumed.meta("ts"), Some(fields[1]));
        assert_eq!(consumed.meta("klag"), Some("1"));
        let keys: Vec<&str> = consumed.meta.iter().map(|(key, _)| key.as_str()).collect();
        assert_eq!(keys, ["bot_name", "country", "device", "device_name", "ip", "klag", "platform", "ts"]);
    }
}

#[test]
fn an_address_stays_as_given_since_click_and_install_are_matched_by_it() {
    let output = outcome(b"::ffff:8.8.8.8 1465287056 inapp /t/ist p").unwrap();
    assert!(output.contains("country=US") && output.contains("&ip=281470816487432&"), "{output}");
}

#[test]
fn a_slash_at_the_end_of_the_path_stays_so_that_the_event_goes_on_being_skipped() {
    let output = outcome(b"8.8.8.8 1465287056 inapp /t/ist/ p").unwrap();
    assert_eq!(Consumed::read(output.split_once('\t').unwrap().1).unwrap().event, "ist/");
}

#[test]
fn a_rejected_line_says_its_number_and_comes_back_whole() {
    let lines = [&b"unknown 1 clicks / p"[..], b"8.8.8.8 1 clicks / p", b"8.8.8.8 1 clicks /\xff x", b"\xff"];
    let filtered = enrich(&lines.map(<[u8]>::to_vec));
    assert_eq!(filtered.messages.len(), 2);
    assert_eq!(filtered.rejected[0]["line"], 1);
    assert_eq!(filtered.rejected[0]["payload"], "unknown 1 clicks / p");
    assert_eq!(filtered.rejected[1]["line"], 4);
    assert_eq!(filtered.rejected[1]["payload_base64"], "/w==");
}

#[test]
fn the_filter_takes_ten_thousand_made_up_lines() {
    let sent = Command::new(env!("CARGO_BIN_EXE_kafkastore"))
        .args(["send", "--sample", "10000", "--seed", "7", "--bad-lines", "0.1", "--print"])
        .env_clear()
        .output()
        .unwrap();
    let lines: Vec<Vec<u8>> = sent.stdout.split(|&byte| byte == b'\n').map(<[u8]>::to_vec).collect();
    let filtered = enrich(&lines[..10_000]);
    assert_eq!(filtered.messages.len() + filtered.rejected.len(), 10_000);
    assert!((800..1200).contains(&filtered.rejected.len()), "{}", filtered.rejected.len());
    let known = filtered.messages.iter().filter(|message| message.contains("&country=")).count();
    assert!(known * 100 > filtered.messages.len() * 95, "{known} countries");
}

fn any_line() -> impl Strategy<Value = Vec<u8>> {
    let field = || proptest::collection::vec(prop_oneof![3 => 0x21..=0x7e_u8, 1 => any::<u8>()], 1..30);
    let shaped = (field(), field(), field(), any::<bool>()).prop_map(|(path, params, agent, is_ipv6)| {
        let address: &[u8] = if is_ipv6 { b"2a00::1" } else { b"8.8.8.8" };
        [address, b" 1465287056 clicks /", &path, b" x", &params, b" ", &agent].concat()
    });
    prop_oneof![4 => shaped, 1 => proptest::collection::vec(any::<u8>(), 0..100)]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    /// Several lines a run, since each run is a process.
    #[test]
    fn any_bytes_give_a_message_without_white_space_or_a_rejected_line(
        lines in proptest::collection::vec(any_line(), 50),
    ) {
        let lines: Vec<Vec<u8>> = lines
            .into_iter()
            .map(|line| line.into_iter().map(|byte| if byte == b'\n' { b' ' } else { byte }).collect())
            .collect();
        let filtered = enrich(&lines);
        prop_assert_eq!(filtered.messages.len() + filtered.rejected.len(), lines.len());
        for output in &filtered.messages {
            let (_, message) = output.split_once('\t').unwrap();
            prop_assert_eq!(message.matches(' ').count(), 2);
            prop_assert!(!message.bytes().any(|byte| byte.is_ascii_control()), "{:?}", message);
        }
    }
}
