//! Exactly-once: a consumer that reads what is committed sees each line once, whatever breaks in between.

use std::time::Duration;

use rdkafka::producer::{BaseProducer, DefaultProducerContext, Producer};
use redis::Commands;

use crate::harness::{
    self, Kafka, KafkaOptions, Operation, Program, Redis, Resource, Signal, client_config, wait_until,
};
use crate::scene::{MINUTE, Scene, TAKEN_OVER, line};

const MODE: (&str, &str) = ("DELIVERY", "exactly-once");
const OFFSETS: &str = "kafkastore-offsets";

fn worker(scene: &Scene, more: &[(&str, &str)]) -> Program {
    scene.worker(&[&[MODE], more].concat())
}

#[test]
fn each_line_is_committed_once_and_bad_ones_are_kept() {
    let mut scene = Scene::new(4);
    let mut lines = scene.lines(0..200_000);
    for line in lines.iter_mut().skip(50).step_by(100) {
        line.splice(..13, *b"unknown");
    }
    scene.push(&lines);
    let worker = worker(&scene, &[]);
    scene.wait_until_drained(2 * MINUTE);
    assert!(worker.usage().peak_resident < 192 * 1024 * 1024, "{}", worker.usage().peak_resident);
    worker.signal(Signal::TERM);
    assert!(worker.wait(Duration::from_secs(10)).success());
    let arrived = scene.arrived();
    assert_eq!((arrived.len(), arrived.duplicates(), arrived.unequal), (198_000, 0, 0));
    assert_eq!(scene.invalid().len(), 2000);
}

/// Each step of a batch; the worker is killed while it stands there in its eleventh.
#[test]
fn sigkill_at_any_step_loses_nothing_and_doubles_nothing() {
    const STEPS: [&str; 11] = [
        "reserved",
        "read",
        "enriched",
        "looked_up",
        "rejected",
        "begun",
        "sending",
        "sent",
        "stored",
        "committed",
        "acknowledged",
    ];
    std::thread::scope(|threads| {
        for step in STEPS {
            threads.spawn(move || crate::kills::kill_at(step, &[MODE]).assert_each_once(0..2000));
        }
    });
}

/// The one that takes over is killed as well, between the initialisation and the look at the stored seq.
#[test]
fn sigkill_in_a_take_over_doubles_nothing() {
    let mut scene = Scene::new(2);
    scene.push(&scene.lines(0..1000));
    // The start of the slot is committed as well.
    let first = worker(
        &scene,
        &[("LANES", "1"), ("BATCH_SIZE", "100"), ("FAILPOINTS", "committed=3*off->sleep(600000)")],
    );
    wait_until(MINUTE, "a batch is committed and not acknowledged", || scene.depth() == 700);
    std::thread::sleep(Duration::from_secs(2));
    first.kill();
    let second = worker(&scene, &[("LANES", "1"), ("FAILPOINTS", "initialised=1*off->sleep(600000)")]);
    second.wait_for_line("taking over", TAKEN_OVER);
    std::thread::sleep(Duration::from_secs(3));
    second.kill();
    let _third = worker(&scene, &[("LANES", "1")]);
    scene.wait_until_drained(MINUTE + TAKEN_OVER);
    scene.arrived().assert_each_once(0..1000);
}

#[test]
fn a_worker_that_stood_still_for_longer_than_a_lease_doubles_nothing() {
    let mut scene = Scene::new(2);
    let stopped = worker(&scene, &[("LANES", "2"), ("BATCH_SIZE", "500")]);
    scene.push(&scene.lines(0..200_000));
    wait_until(MINUTE, "it is in mid-run", || scene.delivered() > 20_000);
    stopped.signal(Signal::STOP);
    let _other = worker(&scene, &[("LANES", "2")]);
    scene.wait_until_drained(MINUTE + TAKEN_OVER);
    stopped.signal(Signal::CONT);
    stopped.wait_for_line("lease lost", Duration::from_secs(10));
    scene.push(&scene.lines(200_000..250_000));
    scene.wait_until_drained(MINUTE);
    scene.arrived().assert_each_once(0..250_000);
}

#[test]
fn a_redis_or_a_kafka_that_restarts_in_mid_run_doubles_nothing() {
    let redis = Redis::start(&["--appendonly", "yes", "--appendfsync", "always"]);
    let kafka = Kafka::start(KafkaOptions::default());
    let mut scene = Scene::on(&redis, &kafka, 2);
    let _worker = worker(&scene, &[("BATCH_SIZE", "1000")]);
    for round in 0..2 {
        scene.push(&scene.lines(round * 200_000..(round + 1) * 200_000));
        wait_until(MINUTE, "it is in mid-run", || scene.delivered() > round * 200_000 + 20_000);
        if round == 0 {
            redis.kill();
            redis.start_again();
            scene.reconnect();
        } else {
            kafka.kill();
            kafka.start_again();
        }
        scene.wait_until_drained(2 * MINUTE);
    }
    scene.arrived().assert_each_once(0..400_000);
}

/// As a copy of the worker would that was started on a copy of the machine.
#[test]
fn a_producer_that_is_fenced_while_the_lease_is_its_own_starts_anew() {
    let mut scene = Scene::new(1);
    let worker = worker(&scene, &[("LANES", "1"), ("BATCH_SIZE", "100")]);
    scene.push(&scene.lines(0..100));
    scene.wait_until_drained(MINUTE);
    let id: String = scene.connection.get(scene.key("id")).unwrap();
    let intruder: BaseProducer<DefaultProducerContext> = client_config(&harness::kafka().bootstrap())
        .set("transactional.id", format!("kafkastore.{}.{id}.0", scene.queue))
        .create()
        .unwrap();
    intruder.init_transactions(MINUTE).unwrap();
    scene.push(&scene.lines(100..5000));
    scene.wait_until_drained(MINUTE);
    scene.arrived().assert_each_once(0..5000);
    worker.wait_for_line("starting the producer of the slot anew", MINUTE);
}

#[test]
fn one_line_that_kafka_refuses_is_rejected_and_the_rest_of_its_batch_commits_once() {
    let mut scene = Scene::new(2);
    let topic = harness::unique("narrow");
    harness::kafka().create_topic(&topic, 1, &[("max.message.bytes", "300000")]);
    scene.topics.push(topic.clone());
    let mut lines = scene.lines(0..3000);
    for (place, number) in [(617, 3000), (2200, 3001)] {
        let refused = format!("8.8.8.8 1465287056 {topic} /t/ist n={number}&x={} agent", "x".repeat(400_000));
        lines.insert(place, refused.into_bytes());
    }
    scene.push(&lines);
    let _worker = worker(&scene, &[("LANES", "1")]);
    scene.wait_until_drained(MINUTE);
    scene.arrived().assert_each_once(0..3000);
    let invalid = scene.invalid();
    assert_eq!(invalid.len(), 2);
    assert!(invalid.iter().all(|record| record["reason"] == "kafka"));
    assert!(invalid[0]["detail"].as_str().unwrap().contains("too large"), "{}", invalid[0]["detail"]);
}

/// Kafka refuses record batches, and no line in them is too large by itself.
#[test]
fn record_batches_that_are_too_large_are_sent_in_parts() {
    let mut scene = Scene::new(1);
    let topic = harness::unique("narrow");
    harness::kafka().create_topic(&topic, 1, &[("max.message.bytes", "20000")]);
    scene.topics = vec![topic];
    scene.push(&scene.lines(0..500));
    let worker = worker(&scene, &[("LANES", "1")]);
    scene.wait_until_drained(MINUTE);
    scene.arrived().assert_each_once(0..500);
    assert!(scene.invalid().is_empty());
    worker.wait_for_line("KAFKA_PROPERTY_BATCH_SIZE", MINUTE);
}

/// A user who may do what the README asks for, and no more.
struct User {
    kafka: Kafka,
    scene: Scene,
}

impl User {
    fn new() -> Self {
        let kafka = Kafka::start(KafkaOptions { users: &["worker"], ..KafkaOptions::default() });
        let scene = Scene::on(harness::redis(), &kafka, 2);
        for topic in &scene.topics {
            kafka.allow("worker", Resource::Topic(topic), &[Operation::Write, Operation::Describe]);
        }
        Self { kafka, scene }
    }

    fn worker(&self, more: &[(&str, &str)]) -> Program {
        let acl = self.kafka.acl_variables("worker");
        let own: Vec<(&str, &str)> = acl.iter().map(|(name, value)| (*name, value.as_str())).collect();
        worker(&self.scene, &[&own, more].concat())
    }

    #[track_caller]
    fn assert_refused(&self, expected: &[&str]) {
        let worker = self.worker(&[]);
        assert_eq!(worker.wait(MINUTE).code(), Some(78));
        let said = worker.stderr_text();
        let last = said.lines().last().unwrap();
        assert!(expected.iter().all(|word| last.contains(word)), "{said}");
    }
}

#[test]
fn what_is_not_permitted_is_named_at_start_with_the_permission_that_is_needed() {
    let mut user = User::new();
    user.scene.push(&user.scene.lines(0..1000));
    user.assert_refused(&["OFFSETS_TOPIC", OFFSETS, "create it with one partition"]);
    user.kafka.create_topic(OFFSETS, 1, &[]);
    user.kafka.allow("worker", Resource::Topic(OFFSETS), &[Operation::Describe]);
    user.assert_refused(&["DELIVERY", "Write and Describe on transactional ids", "kafkastore."]);
    let names = Resource::TransactionalIdPrefix("kafkastore.");
    user.kafka.allow("worker", names, &[Operation::Write, Operation::Describe]);
    user.assert_refused(&["DELIVERY", "Read on groups", "kafkastore."]);
    user.kafka.allow("worker", Resource::GroupPrefix("kafkastore."), &[Operation::Read]);
    user.assert_refused(&["DELIVERY", "Read on the topic", OFFSETS]);
    assert_eq!(user.scene.depth(), 1000, "nothing was reserved");
    user.kafka.allow("worker", Resource::Topic(OFFSETS), &[Operation::Read]);
    let _worker = user.worker(&[]);
    user.scene.wait_until_drained(MINUTE);
    user.scene.arrived().assert_each_once(0..1000);
}

/// Kafka refuses the transaction and names neither the topic nor a line.
#[test]
fn a_topic_that_may_not_be_written_to_costs_only_its_own_lines() {
    let mut user = User::new();
    let kafka = &user.kafka;
    kafka.create_topic(OFFSETS, 1, &[]);
    kafka.allow("worker", Resource::Topic(OFFSETS), &[Operation::Read, Operation::Describe]);
    let names = Resource::TransactionalIdPrefix("kafkastore.");
    kafka.allow("worker", names, &[Operation::Write, Operation::Describe]);
    kafka.allow("worker", Resource::GroupPrefix("kafkastore."), &[Operation::Read]);
    let forbidden = harness::unique("forbidden");
    kafka.create_topic(&forbidden, 1, &[]);
    kafka.allow("worker", Resource::Topic(&forbidden), &[Operation::Describe]);
    let mut lines = user.scene.lines(0..1000);
    lines.insert(500, line(1000, &forbidden));
    lines.insert(700, line(1001, "absent"));
    user.scene.push(&lines);
    let _worker = user.worker(&[("LANES", "1")]);
    user.scene.wait_until_drained(MINUTE);
    user.scene.arrived().assert_each_once(0..1000);
    let invalid = user.scene.invalid();
    assert_eq!(invalid.len(), 2);
    assert!(invalid.iter().all(|record| record["reason"] == "kafka"));
}

#[test]
fn check_tells_whether_the_cluster_allows_it() {
    let scene = Scene::new(1);
    let check = |variables: &[(&str, &str)]| {
        let checked = Program::start(&["check"], variables);
        let code = checked.wait(MINUTE).code();
        (code, checked.stdout_text())
    };
    let (code, said) = check(&scene.variables(&[MODE]));
    assert!(code == Some(0) && said.contains("a transaction was committed"), "{said}");
    // Whoever delivers at least once learns what would be, and no topic is made for it.
    let elsewhere = [("OFFSETS_TOPIC", "nowhere")];
    let (code, said) = check(&scene.variables(&elsewhere));
    assert!(code == Some(0) && said.contains("exactly-once needs the topic nowhere"), "{said}");

    let user = User::new();
    user.kafka.create_topic(OFFSETS, 1, &[]);
    user.kafka.allow("worker", Resource::Topic(OFFSETS), &[Operation::Read, Operation::Describe]);
    let acl = user.kafka.acl_variables("worker");
    let own: Vec<(&str, &str)> = acl.iter().map(|(name, value)| (*name, value.as_str())).collect();
    let (code, said) = check(&user.scene.variables(&[&own[..], &[MODE]].concat()));
    assert!(code == Some(78) && said.contains("Write and Describe on transactional ids"), "{said}");
    let (code, said) = check(&user.scene.variables(&own));
    assert!(code == Some(0) && said.contains("exactly-once would not work"), "{said}");
}
