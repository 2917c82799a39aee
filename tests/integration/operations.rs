//! What an operator does with the small commands, and what they say when something is away.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use redis::Commands;
use serde_json::Value;

use crate::harness::{self, Kafka, KafkaOptions, Operation, Program, Redis, Resource, Signal, wait_until};
use crate::scene::{MINUTE, Scene, line};

const SOON: Duration = Duration::from_secs(20);

/// The exit code, what it printed and what it complained of.
fn ended(arguments: &[&str], variables: &[(&str, &str)]) -> (i32, String, String) {
    let program = Program::start(arguments, variables);
    let status = program.wait(SOON);
    (status.code().unwrap(), program.stdout_text(), program.stderr_text())
}

fn done(arguments: &[&str], variables: &[(&str, &str)]) -> String {
    let (code, printed, complained) = ended(arguments, variables);
    assert_eq!(code, 0, "{arguments:?}: {complained}");
    printed
}

#[test]
fn status_shows_all_servers_and_says_which_are_away() {
    let mut scene = Scene::new(1);
    scene.push(&scene.lines(0..3));
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
    let statuses: Value = serde_json::from_str(&done(&["status", "--json"], &scene.variables(&[]))).unwrap();
    assert_eq!(statuses[0]["depth"], 3);
    assert_eq!(statuses[0]["is_paused"], false);
    let age = statuses[0]["oldest_seconds"].as_u64().unwrap();
    assert!((now - 1_465_287_056..now - 1_465_287_056 + 5).contains(&age), "{age}");

    let both = format!("{},redis://127.0.0.1:1", scene.redis_url());
    let (code, printed, complained) = ended(&["status"], &[("REDIS_URL", &both), ("QUEUE", &scene.queue)]);
    assert_eq!(code, 69);
    assert!(printed.contains("waiting    3") && printed.contains("does not answer"), "{printed}");
    assert_eq!(complained, "kafkastore: 127.0.0.1:1: no answer\n");
}

#[test]
fn rejected_lines_are_taken_by_reason_and_never_steer_a_terminal() {
    let mut scene = Scene::new(1);
    let worker = scene.worker(&[]);
    scene.push(&[b"unknown 1 t /p q".to_vec(), b"8.8.8.8 1 t p q".to_vec(), b"\xff\x1b[2J".to_vec()]);
    wait_until(MINUTE, "all are rejected", || scene.invalid().len() == 3);
    worker.signal(Signal::TERM);
    assert!(worker.wait(SOON).success());

    let listed = done(&["invalid", "list"], &scene.variables(&[]));
    assert!(listed.contains("unknown 1 t /p q") && !listed.contains('\x1b'), "{listed}");
    let raw = done(&["invalid", "list", "--json", "--reason", "path"], &scene.variables(&[]));
    let record: Value = serde_json::from_str(&raw).unwrap();
    assert_eq!(record["payload"], "8.8.8.8 1 t p q");
    let newest = done(&["invalid", "list", "--json", "--limit", "1"], &scene.variables(&[]));
    assert!(newest.contains("payload_base64") && newest.lines().count() == 1, "{newest}");

    assert!(done(&["invalid", "replay", "--reason", "fields"], &scene.variables(&[])).contains(": 1 lines"));
    let queue = scene.queue.clone();
    let line: Vec<u8> = scene.connection.lindex(&queue, 0).unwrap();
    assert_eq!((line.as_slice(), scene.invalid().len()), (&b"\xff\x1b[2J"[..], 2));
    let (code, ..) = ended(&["invalid", "clear"], &scene.variables(&[]));
    assert_eq!((code, scene.invalid().len()), (64, 2));
    done(&["invalid", "clear", "--yes", "--reason", "ip"], &scene.variables(&[]));
    assert_eq!(scene.invalid().len(), 1);
}

#[test]
fn two_lanes_lines_are_given_back_in_one_order() {
    let mut scene = Scene::new(1);
    let lines = scene.lines(0..500);
    scene.push(&lines);
    let hang = [("LANES", "2"), ("BATCH_SIZE", "50"), ("FAILPOINTS", "sent=2*off->sleep(600000)")];
    let worker = scene.worker(&hang);
    wait_until(MINUTE, "some are in flight", || scene.batches() > 2);
    let (code, _, refused) = ended(&["give-back"], &scene.variables(&[]));
    assert_eq!(code, 69);
    assert!(refused.contains("still runs"), "{refused}");
    worker.kill();
    let status: Value = serde_json::from_str(&done(&["status", "--json"], &scene.variables(&[]))).unwrap();
    let left = status[0]["depth"].as_u64().unwrap() + status[0]["in_flight"].as_u64().unwrap();
    let mut given = String::new();
    wait_until(MINUTE, "the killed worker counts as gone", || {
        let (code, printed, _) = ended(&["give-back"], &scene.variables(&[]));
        given = printed;
        code == 0
    });
    assert!(given.contains("lines given back"), "{given}");
    let queue = scene.queue.clone();
    let found: Vec<Vec<u8>> = scene.connection.lrange(&queue, 0, -1).unwrap();
    assert_eq!(found.len() as u64, left);
    let places: Vec<usize> =
        found.iter().map(|line| lines.iter().position(|known| known == line).unwrap()).collect();
    assert!(places.is_sorted(), "{places:?}");
    assert_eq!(scene.batches(), 0);
}

#[test]
fn tail_reads_back_what_comes_and_finds_topics_that_come_later() {
    let mut scene = Scene::new(1);
    let late = harness::unique("late");
    let topic = scene.topics[0].clone();
    let tail = Program::start(&["tail", "--json", "--count", "3", &topic, &late], &scene.variables(&[]));
    tail.wait_for_line(&format!("kafka has no topic {late} yet"), SOON);
    let _worker = scene.worker(&[]);
    scene.push(&scene.lines(0..2));
    scene.wait_until_drained(MINUTE);
    harness::kafka().create_topic(&late, 1, &[]);
    scene.push(&[line(2, &late)]);
    assert!(tail.wait(MINUTE).success());
    let messages: Vec<Value> =
        tail.stdout_text().lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let mut numbers: Vec<&str> =
        messages.iter().map(|message| message["params"][0][1].as_str().unwrap()).collect();
    numbers.sort_unstable();
    assert_eq!(numbers, ["0", "1", "2"]);
    assert_eq!(messages[0]["ip"], "188.103.17.61");
    assert_eq!(messages[2]["topic"], late.as_str());

    let again = ["tail", "--raw", "--from-beginning", "--count", "2", &topic];
    assert!(done(&again, &scene.variables(&[])).lines().all(|line| line.starts_with("/t/ist bot_name&")));
}

#[test]
fn tail_needs_no_right_to_a_group() {
    let kafka = Kafka::start(KafkaOptions { users: &["reader"], ..KafkaOptions::default() });
    let mut scene = Scene::on(harness::redis(), &kafka, 1);
    kafka.allow("reader", Resource::Topic(&scene.topics[0]), &[Operation::Read, Operation::Describe]);
    let _worker = scene.worker(&[]);
    scene.push(&scene.lines(0..5));
    scene.wait_until_drained(MINUTE);
    let acl = kafka.acl_variables("reader");
    let variables: Vec<(&str, &str)> = acl.iter().map(|(name, value)| (*name, value.as_str())).collect();
    let (code, printed, complained) = ended(&["tail", "--from-beginning", "--count", "5"], &variables);
    assert_eq!((code, printed.lines().count(), complained.as_str()), (0, 5, ""));
}

#[test]
fn tail_ends_quietly_when_it_is_interrupted_and_plainly_without_kafka() {
    let scene = Scene::new(1);
    let tail = Program::start(&["tail", "--from-beginning", "nowhere"], &scene.variables(&[]));
    tail.wait_for_line("kafka has no topic nowhere yet", SOON);
    tail.signal(Signal::INT);
    assert!(tail.wait(SOON).success());
    let (code, _, complained) = ended(&["tail"], &[("KAFKA_URL", "127.0.0.1:1")]);
    assert_eq!((code, complained.lines().count()), (69, 1), "{complained}");
    assert!(complained.starts_with("kafkastore: kafka at 127.0.0.1:1 does not answer: "), "{complained}");
}

#[test]
fn check_tells_a_wrong_setting_from_a_server_that_is_away() {
    let scene = Scene::new(1);
    let topic = scene.topics[0].clone();
    let printed = done(&["check"], &scene.variables(&[("KAFKA_TOPICS", &topic)]));
    assert!(printed.lines().all(|line| line.starts_with("ok ") || line.starts_with("warn ")), "{printed}");
    assert!(printed.contains(&format!("ok    kafka: topic {topic} is there")), "{printed}");
    assert!(printed.contains("8.8.8.8 is in US"), "{printed}");

    let (code, printed, _) = ended(&["check"], &scene.variables(&[("INVALID_TOPIC", "nowhere")]));
    assert_eq!(code, 78, "{printed}");
    assert!(printed.contains("fail  INVALID_TOPIC: topic nowhere: "), "{printed}");

    let away = [("KAFKA_URL", "127.0.0.1:1"), ("REDIS_URL", scene.redis_url())];
    let (code, printed, complained) = ended(&["check"], &away);
    assert_eq!((code, complained.as_str()), (69, "kafkastore: one thing is to be mended\n"), "{printed}");
}

#[test]
fn check_sees_how_safe_lines_are_in_redis() {
    let kafka = harness::kafka().bootstrap();
    let safe = Redis::start(&["--appendonly", "yes", "--appendfsync", "always"]);
    let printed = done(&["check"], &[("REDIS_URL", &safe.url()), ("KAFKA_URL", &kafka)]);
    assert!(!printed.contains("warn "), "{printed}");
    let unsafe_one = Redis::start(&["--maxmemory", "100mb", "--maxmemory-policy", "allkeys-lru"]);
    let printed = done(&["check"], &[("REDIS_URL", &unsafe_one.url()), ("KAFKA_URL", &kafka)]);
    let expected = ["maxmemory-policy is allkeys-lru", "appendonly is off"];
    assert!(expected.iter().all(|warning| printed.contains(warning)), "{printed}");
}
