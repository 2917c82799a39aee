//! The rejected lines, as `invalid` looks after them; no Kafka is needed for that.

use std::collections::HashMap;
use std::time::Duration;

use redis::{Commands, Connection};
use serde_json::Value;

use crate::harness::{self, Program, Redis, wait_until};

const SOON: Duration = Duration::from_secs(60);

/// A database with a list of rejected lines.
struct List {
    url: String,
    connection: Connection,
}

impl List {
    fn new() -> Self {
        let url = harness::redis().fresh_database();
        Self { connection: harness::connect(&url), url }
    }

    fn reject(&mut self, reason: &str, payload: &str) {
        let _: u64 = self.connection.rpush("click_invalid", record(reason, payload)).unwrap();
    }

    /// What was printed, and how it ended.
    fn run(&self, arguments: &[&str]) -> (i32, String) {
        let program = Program::start(&[&["invalid"], arguments].concat(), &[("REDIS_URL", &self.url)]);
        let code = program.wait(SOON).code().unwrap();
        (code, program.stdout_text() + &program.stderr_text())
    }

    #[track_caller]
    fn done(&self, arguments: &[&str]) -> String {
        let (code, said) = self.run(arguments);
        assert_eq!(code, 0, "{arguments:?}: {said}");
        said
    }

    /// The name that the list gives to a line.
    fn id_of(&self, payload: &str) -> String {
        let listed = self.done(&["list"]);
        let lines: Vec<&str> = listed.lines().collect();
        let at = lines.iter().position(|line| line.trim() == payload).unwrap();
        lines[at - 1].split(' ').next().unwrap().to_owned()
    }

    fn queue(&mut self) -> Vec<String> {
        self.connection.lrange("click_queue", 0, -1).unwrap()
    }

    fn left(&mut self) -> Vec<String> {
        payloads(&mut self.connection)
    }
}

fn record(reason: &str, payload: &str) -> String {
    serde_json::json!({ "at": 1_465_287_057, "detail": "why", "payload": payload, "reason": reason })
        .to_string()
        .replacen('{', &format!("{{\"reason\":\"{reason}\","), 1)
        .replacen(&format!(",\"reason\":\"{reason}\"}}"), "}", 1)
}

fn payloads(connection: &mut Connection) -> Vec<String> {
    let records: Vec<String> = connection.lrange("click_invalid", 0, -1).unwrap();
    let payload = |record: &String| {
        serde_json::from_str::<Value>(record).unwrap()["payload"].as_str().unwrap().to_owned()
    };
    records.iter().map(payload).collect()
}

#[test]
fn lines_are_counted_and_found_by_reason() {
    let mut list = List::new();
    for number in 0..1200 {
        list.reject(if number % 400 == 0 { "path" } else { "ip" }, &format!("line {number}"));
    }
    let _: u64 = list.connection.rpush("click_invalid", "no record").unwrap();
    let counts: Value = serde_json::from_str(&list.done(&["count", "--json"])).unwrap();
    assert_eq!(counts["reasons"]["path"], 3);
    assert_eq!((&counts["reasons"]["ip"], &counts["other"]), (&1197.into(), &1.into()));
    assert!(list.done(&["count"]).contains("  ip                     1197\n"));

    let oldest_first = list.done(&["list", "--json", "--reason", "path"]);
    let found: Vec<Value> = oldest_first.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let lines: Vec<&str> = found.iter().map(|record| record["payload"].as_str().unwrap()).collect();
    assert_eq!(lines, ["line 0", "line 400", "line 800"]);
    let newest = list.done(&["list", "--json", "--reason", "path", "--limit", "2"]);
    assert!(!newest.contains("line 0\"") && newest.contains("line 800"), "{newest}");
    assert!(
        list.done(&["list"]).ends_with("1 entries of the list are no records of ours, and are not shown\n")
    );
}

#[test]
fn one_line_is_replayed_or_cleared_wherever_it_has_moved() {
    let mut list = List::new();
    for number in 0..1000 {
        list.reject("ip", &format!("line {number}"));
    }
    let (first, second) = (list.id_of("line 700"), list.id_of("line 999"));
    assert!(first.starts_with("700-"), "{first}");
    // The oldest go when the list is full.
    let _: () = list.connection.ltrim("click_invalid", 650, -1).unwrap();
    assert!(list.done(&["replay", "--line", &first]).contains(&format!("{first} put back on click_queue")));
    assert_eq!(list.queue(), ["line 700"]);
    list.done(&["clear", "--line", &second, "--yes"]);
    assert_eq!(list.left().len(), 348);
    assert!(!list.left().contains(&"line 999".to_owned()));

    let (code, said) = list.run(&["replay", "--line", &first]);
    assert_eq!((code, said.contains("that line is not in the list any more")), (69, true), "{said}");
    assert_eq!((list.queue().len(), list.left().len()), (1, 348));
    let (code, said) = list.run(&["replay", "--line", "700"]);
    assert_eq!(code, 64, "{said}");
}

#[test]
fn a_line_is_explained_and_goes_back_as_it_was_mended() {
    let mut list = List::new();
    list.reject("ip", "unknown 1465287056 clicks /t a=1 agent");
    let id = list.id_of("unknown 1465287056 clicks /t a=1 agent");
    let said = list.done(&["explain", &id]);
    assert!(said.contains("rejected ip not an IPv4 or IPv6 address"), "{said}");
    let mended = "8.8.8.8 1465287056 clicks /t a=\\xFF agent";
    let said = list.done(&["explain", &id, "--mended", mended]);
    assert!(said.contains("becomes clicks") && said.contains(" a=%FF\n"), "{said}");
    let json: Value =
        serde_json::from_str(&list.done(&["explain", &id, "--mended", mended, "--json"])).unwrap();
    assert_eq!((&json["is_fine"], &json["becomes"]["country"]), (&true.into(), &"US".into()));
    assert_eq!(list.left().len(), 1, "nothing has moved so far");

    let (code, _) = list.run(&["replay", "--line", &id, "--mended", "\\x00kafkastore:rejected"]);
    assert_eq!((code, list.left().len()), (64, 1), "that would be lost without a trace");
    list.done(&["replay", "--line", &id, "--mended", mended]);
    let line: Vec<u8> = list.connection.lindex("click_queue", 0).unwrap();
    assert_eq!(line, b"8.8.8.8 1465287056 clicks /t a=\xff agent");
    assert!(list.left().is_empty());
}

/// Replays many lines while `strike` strikes Redis, and shows that each is in one of the lists.
fn each_line_stands_once(strike: impl Fn(&Redis)) {
    const LINES: usize = 50_000;
    let redis = Redis::start(&["--appendonly", "yes", "--appendfsync", "always"]);
    let mut connection = redis.connection();
    for numbers in (0..LINES).collect::<Vec<_>>().chunks(10_000) {
        let records: Vec<String> = numbers.iter().map(|number| record("ip", &number.to_string())).collect();
        let _: u64 = connection.rpush("click_invalid", records).unwrap();
    }
    let replay = Program::start(&["invalid", "replay"], &[("REDIS_URL", &redis.url())]);
    wait_until(SOON, "some lines are back", || connection.llen::<_, u64>("click_queue").unwrap() > 0);
    strike(&redis);
    assert_eq!(replay.wait(SOON).code(), Some(69), "{}", replay.stderr_text());

    let mut connection = redis.connection();
    let queue: Vec<String> = connection.lrange("click_queue", 0, -1).unwrap();
    let left = payloads(&mut connection);
    assert!(!queue.is_empty() && !left.is_empty(), "it was struck in between");
    let mut seen: HashMap<String, u64> = HashMap::new();
    for line in queue.into_iter().chain(left) {
        *seen.entry(line).or_default() += 1;
    }
    assert_eq!(seen.len(), LINES, "lost");
    assert!(seen.values().all(|copies| *copies == 1), "doubled");

    let again = Program::start(&["invalid", "replay"], &[("REDIS_URL", &redis.url())]);
    assert!(again.wait(SOON).success());
    let (queue, left): (usize, usize) =
        (connection.llen("click_queue").unwrap(), connection.llen("click_invalid").unwrap());
    assert_eq!((queue, left), (LINES, 0));
}

#[test]
fn a_connection_that_is_cut_in_mid_replay_loses_and_doubles_nothing() {
    each_line_stands_once(|redis| {
        let mut connection = redis.connection();
        let _: u64 = redis::cmd("CLIENT")
            .arg("KILL")
            .arg("TYPE")
            .arg("normal")
            .arg("SKIPME")
            .arg("yes")
            .query(&mut connection)
            .unwrap();
    });
}

#[test]
fn a_redis_that_is_killed_in_mid_replay_loses_and_doubles_nothing() {
    each_line_stands_once(|redis| {
        redis.kill();
        redis.start_again();
    });
}
