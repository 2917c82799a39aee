//! Who is let in, and what nobody gets to see.

use std::time::Duration;

use redis::Commands;

use crate::harness::{self, Program, Redis, Signal};
use crate::scene::{MINUTE, Scene};

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
