//! Consumers of 2016, on the last Apache Kafka that still answers them.

use std::collections::BTreeMap;
use std::path::Path;

use crate::harness::{self, Kafka, KafkaOptions, Launch, Release, package_root};
use crate::scene::{MINUTE, Scene};

/// With `kafka-clients` 0.9.0.1, as its own console consumer uses it.
#[test]
fn a_consumer_of_2016_reads_what_the_default_settings_write() {
    const LINES: u64 = 10_000;
    let kafka = Kafka::start(KafkaOptions { release: Release::Former, ..KafkaOptions::default() });
    let mut scene = Scene::on(harness::redis(), &kafka, 1);
    scene.push(&scene.lines(0..LINES));
    let _worker = scene.worker(&[]);
    scene.wait_until_drained(MINUTE);
    let libs = package_root().join("target/kafka-consumer-2016/libs/*");
    let (bootstrap, most) = (kafka.bootstrap(), LINES.to_string());
    let consumer = ["kafka.tools.ConsoleConsumer", "--new-consumer", "--bootstrap-server", &bootstrap];
    let reads = ["--topic", &scene.topics[0], "--from-beginning", "--max-messages", &most];
    let classpath = ["-cp", libs.to_str().unwrap()];
    let reader = Launch::of(Path::new("java"), &[&classpath[..], &consumer, &reads].concat()).start();
    assert!(reader.wait(2 * MINUTE).success());
    let mut read: BTreeMap<String, u64> = BTreeMap::new();
    for message in reader.stdout_text().lines() {
        *read.entry(message.to_owned()).or_default() += 1;
    }
    let mut written = BTreeMap::new();
    harness::read_each(&kafka.bootstrap(), &[&scene.topics[0]], |message| {
        *written.entry(String::from_utf8(message.payload).unwrap()).or_default() += 1;
    });
    assert_eq!(written.len() as u64, LINES);
    assert!(read == written, "{} messages are not as they were written", read.len());
}
