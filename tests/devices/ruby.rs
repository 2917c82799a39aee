//! Debian's `ruby-device-detector`, run beside.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write as _;
use std::process::{Command, Stdio};
use std::thread;

use kafkastore::enrich::device::matomo::Detected;
use serde_json::Value;

const PROGRAM: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/devices/detect.rb");

/// Asks it, two at a time.
pub fn detect(user_agents: &BTreeSet<String>) -> BTreeMap<String, Detected> {
    let user_agents: Vec<&str> = user_agents.iter().map(String::as_str).collect();
    let half = user_agents.len().div_ceil(2);
    thread::scope(|scope| {
        let halves: Vec<_> =
            user_agents.chunks(half).map(|half| scope.spawn(move || detect_in_order(half))).collect();
        halves.into_iter().flat_map(|half| half.join().expect("no panic")).collect()
    })
}

fn detect_in_order(user_agents: &[&str]) -> Vec<(String, Detected)> {
    let mut ruby = Command::new("ruby")
        .arg(PROGRAM)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("ruby, which bin/setup test installs");
    let mut stdin = ruby.stdin.take().expect("a pipe");
    let output = thread::scope(|scope| {
        scope.spawn(move || stdin.write_all(user_agents.join("\n").as_bytes()).expect("it reads all"));
        ruby.wait_with_output().expect("its answers")
    });
    assert!(output.status.success(), "ruby-device-detector failed; bin/setup test installs it");
    let answers: Vec<Detected> = String::from_utf8_lossy(&output.stdout).lines().map(read).collect();
    assert_eq!(answers.len(), user_agents.len());
    user_agents.iter().map(|user_agent| (*user_agent).to_owned()).zip(answers).collect()
}

fn read(line: &str) -> Detected {
    let answer: Value = serde_json::from_str(line).expect("JSON");
    let text = |name: &str| answer[name].as_str().map(str::to_owned);
    Detected {
        bot: text("bot"),
        system: text("system"),
        system_version: None,
        client: text("client"),
        kind: text("device").map(|kind| &*kind.leak()),
        brand: text("brand"),
        model: text("model"),
    }
}
