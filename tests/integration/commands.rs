//! The small commands, one by one.

use std::time::Duration;

use redis::Commands;
use serde_json::Value;

use crate::harness::{Launch, Program, Signal, wait_until};
use crate::scene::{MINUTE, Scene, line};

/// What a command printed; it must have ended well.
fn output(scene: &Scene, arguments: &[&str]) -> String {
    let program = Program::start(arguments, &scene.variables(&[]));
    let status = program.wait(MINUTE);
    assert!(status.success(), "{arguments:?}: {status}: {}", program.stderr_text());
    program.stdout_text()
}

fn status(scene: &Scene) -> Value {
    let servers: Value = serde_json::from_str(&output(scene, &["status", "--json"])).unwrap();
    servers[0].clone()
}

#[test]
fn lines_that_are_sent_show_in_the_status_and_come_back_by_tail() {
    let mut scene = Scene::new(1);
    let lines: Vec<u8> = scene.lines(0..100).join(&b'\n');
    let sender = Launch::new(&["send"]).variables(&scene.variables(&[])).input(lines).start();
    assert!(sender.wait(MINUTE).success());
    scene.push(&[b"unknown 1 t / p".to_vec()]);
    assert_eq!(
        (status(&scene)["depth"].as_u64(), status(&scene)["delivered"].as_u64()),
        (Some(101), Some(0))
    );

    let _worker = scene.worker(&[]);
    scene.wait_until_drained(MINUTE);
    let after = status(&scene);
    assert_eq!((after["depth"].as_u64(), after["delivered"].as_u64()), (Some(0), Some(100)));
    assert_eq!((after["invalid"].as_u64(), after["rejected"]["ip"].as_u64()), (Some(1), Some(1)));
    wait_until(MINUTE, "the heartbeat tells both slots", || {
        status(&scene)["workers"][0]["slots"].as_array().is_some_and(|slots| slots.len() == 2)
    });

    let tail = output(&scene, &["tail", &scene.topics[0], "--from-beginning", "--count", "100", "--json"]);
    let messages: Vec<Value> = tail.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(messages.len(), 100);
    assert!(tail.contains("iPhone") && tail.contains("DE"));
}

#[test]
fn a_pause_stops_reserving_until_resume() {
    let mut scene = Scene::new(1);
    let _worker = scene.worker(&[]);
    output(&scene, &["pause"]);
    scene.push(&scene.lines(0..10));
    std::thread::sleep(Duration::from_secs(2));
    assert_eq!(scene.depth(), 10);
    assert_eq!(status(&scene)["is_paused"], true);
    output(&scene, &["resume"]);
    scene.wait_until_drained(Duration::from_secs(5));
    scene.arrived().assert_each_once(0..10);
}

#[test]
fn invalid_lines_are_listed_replayed_and_cleared() {
    let mut scene = Scene::new(1);
    let topic = scene.topics[0].clone();
    scene.push(&[b"unknown 1 t / p".to_vec(), line(0, &topic), b"8.8.8.8 x t / p".to_vec()]);
    let worker = scene.worker(&[("KAFKA_TOPICS", "other")]);
    scene.wait_until_drained(MINUTE);
    worker.signal(Signal::TERM);
    worker.wait(MINUTE);
    let listed = output(&scene, &["invalid", "list", "--json"]);
    let reasons: Vec<String> = listed
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).unwrap()["reason"].as_str().unwrap().to_owned())
        .collect();
    assert_eq!(reasons, ["ip", "topic", "timestamp"]);

    let _second = scene.worker(&[]);
    output(&scene, &["invalid", "replay", "--reason", "topic"]);
    scene.wait_until_drained(MINUTE);
    scene.arrived().assert_each_once(0..1);
    output(&scene, &["invalid", "clear", "--reason", "ip", "--yes"]);
    let left = scene.invalid();
    assert_eq!((left.len(), &left[0]["reason"]), (1, &"timestamp".into()));
}

#[test]
fn give_back_returns_what_a_dead_worker_held_in_its_order() {
    let mut scene = Scene::new(1);
    scene.push(&scene.lines(0..500));
    let hang = "sent=2*off->sleep(600000)";
    let variables = [("LANES", "1"), ("BATCH_SIZE", "50"), ("FAILPOINTS", hang)];
    let worker = scene.worker(&variables);
    wait_until(MINUTE, "it holds batches", || scene.batches() > 0 && scene.depth() < 400);
    let refused = Program::start(&["give-back"], &scene.variables(&[]));
    assert_eq!(refused.wait(MINUTE).code(), Some(69), "a worker runs");
    let now = status(&scene);
    let lines = |name: &str| now[name].as_u64().unwrap();
    assert_eq!((lines("depth"), lines("in_flight")), (scene.depth(), scene.batches() * 50));
    assert!(now["oldest_seconds"].is_u64(), "{now}");
    worker.kill();
    let _: () = scene.connection.del(scene.key("workers")).unwrap();
    let _: () = scene.connection.del(scene.key("lease:0")).unwrap();
    output(&scene, &["give-back"]);
    assert_eq!(scene.batches(), 0);
    let queue: Vec<Vec<u8>> = scene.connection.lrange(&scene.queue, 0, -1).unwrap();
    let first = 500 - queue.len() as u64;
    assert_eq!(queue, scene.lines(first..500), "in their order, as if nobody had taken them");
}

#[test]
fn check_tells_what_is_well_and_what_is_to_be_mended() {
    let scene = Scene::new(1);
    let topic = scene.topics[0].clone();
    let well = Program::start(&["check"], &scene.variables(&[("KAFKA_TOPICS", &topic)]));
    assert!(well.wait(MINUTE).success(), "{}", well.stdout_text());
    assert!(well.stdout_text().contains(&topic));
    let absent = Program::start(&["check"], &scene.variables(&[("KAFKA_TOPICS", "absent-topic")]));
    assert_eq!(absent.wait(MINUTE).code(), Some(78), "{}", absent.stdout_text());
    let no_kafka = Program::start(&["check"], &scene.variables(&[("KAFKA_URL", "127.0.0.1:1")]));
    assert_eq!(no_kafka.wait(MINUTE).code(), Some(69), "{}", no_kafka.stdout_text());
}
