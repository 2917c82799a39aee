//! Lines that cannot be delivered, and what they cost the others: nothing.

use std::time::{Duration, Instant};

use redis::Commands;

use crate::harness::{self, Kafka, KafkaOptions, Operation, Program, Resource, wait_until};
use crate::scene::{MINUTE, Scene, line};

#[test]
fn stray_topics_cost_the_others_no_time() {
    const LINES: u64 = 200_000;
    let kafka = Kafka::start(KafkaOptions { users: &["worker"], ..KafkaOptions::default() });
    let mut scene = Scene::on(harness::redis(), &kafka, 2);
    let forbidden = harness::unique("forbidden");
    kafka.create_topic(&forbidden, 1, &[]);
    for topic in &scene.topics {
        kafka.allow("worker", Resource::Topic(topic), &[Operation::Write, Operation::Describe]);
    }
    kafka.allow("worker", Resource::Topic(&forbidden), &[Operation::Describe]);
    let acl = kafka.acl_variables("worker");
    let mut variables: Vec<(&str, &str)> = acl.iter().map(|(name, value)| (*name, value.as_str())).collect();
    variables.push(("INVALID_MAX_BYTES", "100000000"));

    for (named, line) in [
        (forbidden.as_str(), format!("topic {forbidden}: this user may not write to it")),
        ("", format!("this user may not write to {forbidden}: lines that name them are rejected")),
    ] {
        let check = Program::start(
            &["check"],
            &scene.variables(&[&variables[..], &[("KAFKA_TOPICS", named)]].concat()),
        );
        check.wait_for_line(&line, MINUTE);
        check.wait(MINUTE);
    }
    let worker = scene.worker(&variables);
    scene.push(&scene.lines(0..LINES));
    let started_at = Instant::now();
    scene.wait_until_drained(MINUTE);
    let without_strays = started_at.elapsed();

    let mut lines = scene.lines(LINES..2 * LINES);
    let mut strays = 0;
    for (number, spoiled) in lines.iter_mut().enumerate().step_by(10) {
        // A few names come again and again, some are new each time, one exists but is not ours to write to.
        let topic = match number / 10 % 3 {
            0 => "absent".to_owned(),
            1 => format!("absent-{number}"),
            _ => forbidden.clone(),
        };
        *spoiled = line(number as u64, &topic);
        strays += 1;
    }
    let started_at = Instant::now();
    scene.push(&lines);
    scene.wait_until_drained(MINUTE);
    let with_strays = started_at.elapsed();
    let allowed = without_strays * 2 + Duration::from_secs(3);
    assert!(with_strays < allowed, "{with_strays:?} with strays, {without_strays:?} without");

    let arrived = scene.arrived();
    assert_eq!((arrived.len(), arrived.duplicates(), arrived.unequal), (2 * LINES - strays, 0, 0));
    let invalid = scene.invalid();
    assert_eq!(invalid.len() as u64, strays);
    assert!(invalid.iter().all(|record| record["reason"] == "kafka"), "{:?}", invalid[0]);
    let details: Vec<&str> = invalid.iter().map(|record| record["detail"].as_str().unwrap()).collect();
    assert!(details.iter().any(|detail| detail.contains(&forbidden) && detail.contains("authorization")));
    drop(worker);
}

#[test]
fn one_line_that_kafka_refuses_is_rejected_alone() {
    let mut scene = Scene::new(0);
    let topic = harness::unique("narrow");
    harness::kafka().create_topic(&topic, 1, &[("max.message.bytes", "300000")]);
    scene.topics.push(topic.clone());
    let mut lines = scene.lines(0..1000);
    let refused = format!("8.8.8.8 1465287056 {topic} /t/ist n=1000&x={} agent", "x".repeat(400_000));
    lines.insert(617, refused.clone().into_bytes());
    scene.push(&lines);
    let _worker = scene.worker(&[("LANES", "1")]);
    scene.wait_until_drained(MINUTE);
    scene.arrived().assert_all_of(0..1000);
    let invalid = scene.invalid();
    assert_eq!(invalid.len(), 1);
    assert_eq!(invalid[0]["reason"], "kafka");
    assert!(invalid[0]["detail"].as_str().unwrap().contains("too large"), "{}", invalid[0]["detail"]);
    assert_eq!(invalid[0]["payload"].as_str().unwrap().len(), refused.len());
}

#[test]
fn a_message_over_the_limit_is_rejected_before_it_is_sent() {
    let mut scene = Scene::new(1);
    let mut lines = scene.lines(0..10);
    lines.push(format!("8.8.8.8 1 {} / {} agent", scene.topics[0], "x".repeat(2000)).into_bytes());
    scene.push(&lines);
    let _worker = scene.worker(&[("MESSAGE_MAX_BYTES", "2000")]);
    scene.wait_until_drained(MINUTE);
    scene.arrived().assert_each_once(0..10);
    assert_eq!(scene.invalid()[0]["reason"], "size");
}

/// Someone deleted it, or mistyped `KAFKA_TOPICS`: its lines are no bad lines.
#[test]
fn a_topic_that_should_be_there_is_waited_for() {
    let mut scene = Scene::new(1);
    let topic = scene.topics[0].clone();
    let worker = scene.worker(&[("KAFKA_TOPICS", &format!("{topic},{topic}-late"))]);
    scene.push(&[line(0, &format!("{topic}-late"))]);
    worker.wait_for_line("kafka is not as it should be", MINUTE);
    assert_eq!((scene.batches(), scene.invalid().len()), (1, 0));
    harness::kafka().create_topic(&format!("{topic}-late"), 1, &[]);
    scene.wait_until_drained(MINUTE);
    scene.topics.push(format!("{topic}-late"));
    scene.arrived().assert_each_once(0..1);
    assert!(scene.invalid().is_empty());
}

#[test]
fn a_topic_that_was_delivered_to_before_is_waited_for() {
    let mut scene = Scene::new(1);
    let topic = scene.topics[0].clone();
    {
        let _worker = scene.worker(&[]);
        scene.push(&scene.lines(0..10));
        scene.wait_until_drained(MINUTE);
    }
    scene.arrived().assert_each_once(0..10);
    harness::kafka().delete_topic(&topic);
    let worker = scene.worker(&[]);
    scene.push(&scene.lines(10..20));
    worker.wait_for_line("kafka is not as it should be", MINUTE);
    assert!(scene.invalid().is_empty());
    harness::kafka().create_topic(&topic, 1, &[]);
    scene.wait_until_drained(MINUTE);
    scene.arrived().assert_each_once(10..20);
}

#[test]
fn the_invalid_list_is_bounded_by_lines_and_by_bytes() {
    let mut scene = Scene::new(1);
    let bad = |number: u64| format!("unknown 1 t / n={number}").into_bytes();
    let lines: Vec<Vec<u8>> = (0..5000).map(bad).collect();
    scene.push(&lines);
    {
        let worker = scene.worker(&[("INVALID_MAX", "1000"), ("LANES", "1")]);
        scene.wait_until_drained(MINUTE);
        worker.wait_for_line("the invalid list is full", MINUTE);
    }
    let kept = scene.invalid();
    assert_eq!(kept.len(), 1000);
    assert_eq!(kept[999]["payload"], "unknown 1 t / n=4999");
    scene.push(&lines);
    let _worker = scene.worker(&[("INVALID_MAX_BYTES", "65536"), ("LANES", "1")]);
    scene.wait_until_drained(MINUTE);
    let bytes: u64 =
        redis::cmd("MEMORY").arg("USAGE").arg("click_invalid").query(&mut scene.connection).unwrap();
    assert!((30_000..=65_536).contains(&bytes), "{bytes}");
    let totals: std::collections::HashMap<String, u64> =
        scene.connection.hgetall(scene.key("stats:totals")).unwrap();
    assert_eq!(totals["invalid:ip"], 10_000);
    assert_eq!(totals["invalid_dropped"], 10_000 - scene.invalid().len() as u64);
}

#[test]
fn rejected_lines_go_to_kafka_as_well_where_a_topic_is_named() {
    let mut scene = Scene::new(1);
    let dead = harness::unique("dead");
    let worker = scene.worker(&[("INVALID_TOPIC", &dead)]);
    scene.push(&[b"unknown 1 t / p".to_vec(), line(0, &scene.topics[0])]);
    worker.wait_for_line("INVALID_TOPIC takes no lines", MINUTE);
    assert!(scene.invalid().is_empty(), "it left its batch before Kafka had it");
    harness::kafka().create_topic(&dead, 1, &[]);
    scene.wait_until_drained(MINUTE);
    wait_until(MINUTE, "the line is in the list", || scene.invalid().len() == 1);
    let received = harness::read_all(&harness::kafka().bootstrap(), &[&dead]);
    let record: serde_json::Value = serde_json::from_slice(&received[0].payload).unwrap();
    assert_eq!((&record["reason"], &record["payload"]), (&"ip".into(), &"unknown 1 t / p".into()));
    scene.arrived().assert_each_once(0..1);
}
