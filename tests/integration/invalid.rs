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

/// A record as a worker writes it.
pub fn record(reason: &str, payload: &str) -> String {
    let payload = serde_json::to_string(payload).unwrap();
    format!(r#"{{"reason":"{reason}","detail":"why","at":1465287057,"payload":{payload}}}"#)
}

/// The lines that are still rejected.
pub fn payloads(connection: &mut Connection) -> Vec<String> {
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

/// As many as take a while.
const MANY: usize = 50_000;

/// A Redis that forgets nothing, with many rejected lines.
pub fn redis_with_many() -> Redis {
    let redis = Redis::start(&["--appendonly", "yes", "--appendfsync", "always"]);
    let mut connection = redis.connection();
    for numbers in (0..MANY).collect::<Vec<_>>().chunks(10_000) {
        let records: Vec<String> = numbers.iter().map(|number| record("ip", &number.to_string())).collect();
        let _: u64 = connection.rpush("click_invalid", records).unwrap();
    }
    redis
}

pub fn wait_until_some_are_back(connection: &mut Connection) {
    wait_until(SOON, "some lines are back", || connection.llen::<_, u64>("click_queue").unwrap() > 0);
}

pub fn cut_all_connections(connection: &mut Connection) {
    let mut kill = redis::cmd("CLIENT");
    let _: u64 =
        kill.arg("KILL").arg("TYPE").arg("normal").arg("SKIPME").arg("yes").query(connection).unwrap();
}

/// Each of the many lines stands in one of the lists, and some in either.
#[track_caller]
pub fn assert_each_stands_once(connection: &mut Connection) {
    let queue: Vec<String> = connection.lrange("click_queue", 0, -1).unwrap();
    let left = payloads(connection);
    assert!(!queue.is_empty() && !left.is_empty(), "it was struck in between");
    let mut seen: HashMap<String, u64> = HashMap::new();
    for line in queue.into_iter().chain(left) {
        *seen.entry(line).or_default() += 1;
    }
    assert_eq!(seen.len(), MANY, "lost");
    assert!(seen.values().all(|copies| *copies == 1), "doubled");
}

#[track_caller]
pub fn assert_all_are_back(connection: &mut Connection) {
    let lengths: (usize, usize) =
        (connection.llen("click_queue").unwrap(), connection.llen("click_invalid").unwrap());
    assert_eq!(lengths, (MANY, 0));
}

fn replay_while(strike: impl Fn(&Redis)) {
    let redis = redis_with_many();
    let replay = || Program::start(&["invalid", "replay"], &[("REDIS_URL", &redis.url())]);
    let first = replay();
    wait_until_some_are_back(&mut redis.connection());
    strike(&redis);
    assert_eq!(first.wait(SOON).code(), Some(69), "{}", first.stderr_text());
    assert_each_stands_once(&mut redis.connection());
    assert!(replay().wait(SOON).success());
    assert_all_are_back(&mut redis.connection());
}

#[test]
fn a_connection_that_is_cut_in_mid_replay_loses_and_doubles_nothing() {
    replay_while(|redis| cut_all_connections(&mut redis.connection()));
}

#[test]
fn a_redis_that_is_killed_in_mid_replay_loses_and_doubles_nothing() {
    replay_while(|redis| {
        redis.kill();
        redis.start_again();
    });
}
