//! TLS on both wires, as Heroku has it.

use std::time::Duration;

use redis::Commands;

use crate::harness::{self, Kafka, KafkaOptions, Operation, Program, Redis, Resource, Signal};
use crate::scene::{MINUTE, Scene};

#[test]
fn a_redis_with_a_self_signed_certificate_is_taken_where_that_is_wanted() {
    let redis = Redis::start_tls();
    let mut scene = Scene::on(&redis, harness::kafka(), 1);
    scene.push(&scene.lines(0..1000));
    {
        let refusing = scene.worker(&[]);
        refusing.wait_for_line("redis does not answer", MINUTE);
        assert_eq!(scene.depth(), 1000);
    }
    let _worker = scene.worker(&[("REDIS_TLS_INSECURE", "1")]);
    scene.wait_until_drained(MINUTE);
    scene.arrived().assert_each_once(0..1000);
}

/// Certificates in variables, a prefix before every name, and nothing else allowed.
#[test]
fn a_kafka_with_client_certificates_and_a_prefix_is_written_to() {
    let kafka = Kafka::start(KafkaOptions { tls: true, users: &["kafkastore"], ..KafkaOptions::default() });
    let mut scene = Scene::on(harness::redis(), &kafka, 0);
    kafka.create_topic("columbia-1234.clicks", 2, &[]);
    kafka.allow(
        "kafkastore",
        Resource::TopicPrefix("columbia-1234."),
        &[Operation::Write, Operation::Describe],
    );
    let certificate = kafka.client_certificate("kafkastore");
    let read = |path: &std::path::Path| std::fs::read_to_string(path).unwrap();
    let url = format!("kafka+ssl://{}", kafka.tls_bootstrap());
    let (authority, own, key) =
        (read(&kafka.authority().certificate), read(&certificate.certificate), read(&certificate.key));
    scene.topics.push("clicks".to_owned());
    scene.push(&scene.lines(0..1000));
    scene.push(&[crate::scene::line(1000, "other")]);
    let variables = [
        ("KAFKA_URL", url.as_str()),
        ("KAFKA_PREFIX", "columbia-1234."),
        ("KAFKA_TRUSTED_CERT", &authority),
        ("KAFKA_CLIENT_CERT", &own),
        ("KAFKA_CLIENT_CERT_KEY", &key),
    ];
    let worker = scene.worker(&variables);
    scene.wait_until_drained(MINUTE);
    assert_eq!(scene.invalid()[0]["reason"], "kafka");
    scene.topics = vec!["columbia-1234.clicks".to_owned()];
    scene.arrived().assert_each_once(0..1000);
    assert!(!worker.stderr_text().contains("PRIVATE KEY"));
}

#[test]
fn no_secret_shows_in_the_log() {
    let worker = Program::start(
        &["worker", "--log-filter", "trace"],
        &[
            ("REDIS_URL", "redis://user:opensesame@127.0.0.1:1"),
            ("KAFKA_URL", "127.0.0.1:1"),
            ("KAFKA_PROPERTY_SASL_PASSWORD", "swordfish"),
        ],
    );
    worker.wait_for_line("no slot to be had", MINUTE);
    std::thread::sleep(Duration::from_secs(1));
    let log = worker.stderr_text();
    assert!(!log.contains("opensesame") && !log.contains("swordfish"), "{log}");
}

/// Those in `docs/security.md`, word by word.
#[test]
fn documented_access_lists_are_enough_and_no_more() {
    let redis = Redis::start(&[]);
    let mut scene = Scene::on(&redis, harness::kafka(), 1);
    scene.queue = "click_queue".to_owned();
    let rules: Vec<&str> = include_str!("../../docs/security.md")
        .lines()
        .filter_map(|line| line.trim().strip_prefix("ACL "))
        .collect();
    assert_eq!(rules.len(), 2);
    for rule in rules {
        redis::cmd("ACL").arg(rule.split(' ').collect::<Vec<_>>()).exec(&mut scene.connection).unwrap();
    }
    let url_of = |user: &str| scene.redis_url().replace("redis://", &format!("redis://{user}:password@"));
    let mut tracker = harness::connect(&url_of("tracker"));
    for line in scene.lines(0..100).into_iter().chain([b"a bad line".to_vec()]) {
        let _: u64 = tracker.rpush(&scene.queue, line).unwrap();
    }
    for refused in [
        redis::cmd("DEL").arg("click_queue"),
        redis::cmd("RPUSH").arg("other").arg("x"),
        &mut redis::cmd("FLUSHALL"),
    ] {
        let error = refused.exec(&mut tracker).unwrap_err();
        assert!(error.to_string().contains("no permissions"), "{error}");
    }
    let url = url_of("kafkastore");
    let worker = scene.worker(&[("REDIS_URL", &url)]);
    scene.wait_until_drained(MINUTE);
    scene.arrived().assert_each_once(0..100);
    assert_eq!(scene.invalid().len(), 1);
    worker.signal(Signal::TERM);
    assert!(worker.wait(MINUTE).success());
    let log = worker.stderr_text();
    assert!(!log.contains("ermission") && !log.contains("NOPERM"), "{log}");
}
