//! Redis or Kafka away, restarted, full: lines wait, nothing spins, nothing is lost.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use redis::Commands;

use crate::harness::{self, Kafka, KafkaOptions, Program, Redis, Signal, wait_until};
use crate::scene::{MINUTE, Scene, TAKEN_OVER};

const OUTAGE: Duration = Duration::from_secs(6);
/// Of one core, while a server is away.
const IDLE_SHARE: f64 = 0.1;

/// Shorter than a lease, and than librdkafka waits for an answer.
const HANG: Duration = Duration::from_secs(10);

/// Stays for `OUTAGE`; the worker must hardly use the CPU meanwhile.
fn assert_idle(worker: &Program) {
    std::thread::sleep(Duration::from_secs(1));
    let (before, since) = (worker.cpu_time(), Instant::now());
    std::thread::sleep(OUTAGE);
    let used = worker.cpu_time() - before;
    assert!(used.as_secs_f64() < since.elapsed().as_secs_f64() * IDLE_SHARE, "it used {used:?}");
}

fn durable_redis() -> Redis {
    Redis::start(&["--appendonly", "yes", "--appendfsync", "always"])
}

#[test]
fn a_redis_that_restarts_in_mid_run_costs_nothing() {
    let redis = durable_redis();
    let mut scene = Scene::on(&redis, harness::kafka(), 2);
    scene.push(&scene.lines(0..200_000));
    let worker = scene.worker(&[]);
    wait_until(MINUTE, "it is in mid-run", || scene.delivered() > 20_000);
    redis.kill();
    assert_idle(&worker);
    redis.start_again();
    scene.reconnect();
    scene.wait_until_drained(MINUTE + TAKEN_OVER);
    scene.arrived().assert_all_of(0..200_000);
}

#[test]
fn a_kafka_that_restarts_in_mid_run_costs_nothing() {
    let kafka = Kafka::start(KafkaOptions::default());
    let mut scene = Scene::on(harness::redis(), &kafka, 2);
    scene.push(&scene.lines(0..200_000));
    let worker = scene.worker(&[]);
    wait_until(MINUTE, "it is in mid-run", || scene.delivered() > 20_000);
    kafka.kill();
    assert_idle(&worker);
    kafka.start_again();
    scene.wait_until_drained(2 * MINUTE);
    scene.arrived().assert_each_once(0..200_000);
    kafka.stop();

    // And a stop while Kafka is away is a clean one; what is in flight waits for the next worker.
    scene.push(&scene.lines(200_000..201_000));
    wait_until(MINUTE, "a batch is in flight", || scene.batches() > 0);
    worker.signal(Signal::TERM);
    assert!(worker.wait(Duration::from_secs(6)).success());
    kafka.start_again();
    let _second = scene.worker(&[]);
    scene.wait_until_drained(MINUTE + TAKEN_OVER);
    scene.arrived().assert_each_once(0..201_000);
}

#[test]
fn a_kafka_that_is_absent_at_start_is_waited_for() {
    let kafka = Kafka::start(KafkaOptions::default());
    let mut scene = Scene::on(harness::redis(), &kafka, 1);
    kafka.stop();
    scene.push(&scene.lines(0..1000));
    let worker = scene.worker(&[]);
    worker.wait_for_line("kafka does not answer", MINUTE);
    assert_idle(&worker);
    assert_eq!(scene.depth(), 1000, "nothing was reserved");
    kafka.start_again();
    scene.wait_until_drained(MINUTE);
    scene.arrived().assert_each_once(0..1000);
}

#[test]
fn a_redis_that_is_absent_at_start_is_waited_for() {
    let redis = Redis::start(&[]);
    let mut scene = Scene::on(&redis, harness::kafka(), 1);
    redis.stop();
    let worker = scene.worker(&[]);
    worker.wait_for_line("redis does not answer", MINUTE);
    assert_idle(&worker);
    redis.start_again();
    scene.reconnect();
    scene.push(&scene.lines(0..1000));
    scene.wait_until_drained(MINUTE);
    scene.arrived().assert_each_once(0..1000);
}

#[test]
fn a_redis_at_its_memory_limit_is_drained() {
    let redis = Redis::start(&["--maxmemory", "40mb", "--maxmemory-policy", "noeviction"]);
    let mut scene = Scene::on(&redis, harness::kafka(), 1);
    let mut pushed = 0;
    for at_once in [100, 1] {
        loop {
            let lines = scene.lines(pushed..pushed + at_once);
            let answer: Result<u64, redis::RedisError> = scene.connection.rpush(&scene.queue, &lines);
            if answer.is_err() {
                break;
            }
            pushed += at_once;
        }
    }
    // No room for anything is left that a command and no script would need.
    let refused =
        (0..100_000).any(|number| scene.connection.set::<_, _, ()>(format!("more:{number}"), "x").is_err());
    assert!(refused);
    let _worker = scene.worker(&[]);
    scene.wait_until_drained(MINUTE);
    scene.arrived().assert_each_once(0..pushed);
}

/// What a worker holds while nothing leaves it is a few batches, however much waits.
#[test]
fn a_kafka_that_hangs_costs_no_memory() {
    let kafka = Kafka::start(KafkaOptions::default());
    let filler = "x".repeat(300);
    for (mode, most) in [("at-least-once", 128), ("exactly-once", 192)] {
        let mut scene = Scene::on(harness::redis(), &kafka, 2);
        let lines = scene.lines(0..200_000);
        let lines = lines.into_iter().map(|line| [&line[..], b" ", filler.as_bytes()].concat());
        scene.push(&lines.collect::<Vec<_>>());
        let worker = scene.worker(&[("DELIVERY", mode), ("LANES", "4")]);
        wait_until(MINUTE, "it is in mid-run", || scene.delivered() > 20_000);
        kafka.pause();
        std::thread::sleep(HANG);
        let memory = worker.usage().peak_resident;
        assert!(memory < most * 1024 * 1024, "{mode}: {memory}");
        assert!(scene.depth() > 0, "{mode}: nothing was left that could have filled it");
        kafka.resume();
        scene.wait_until_drained(2 * MINUTE);
        scene.arrived().assert_each_once(0..200_000);
    }
}

/// Trackers give Redis one second, then they drop the event.
#[test]
fn large_lines_hold_up_no_push_for_half_a_second() {
    const LARGE: u64 = 2000;
    let mut scene = Scene::new(1);
    let filler = "x".repeat(100_000);
    let large: Vec<Vec<u8>> =
        scene.lines(0..LARGE).into_iter().map(|line| [&line[..], b" ", filler.as_bytes()].concat()).collect();
    for some in large.chunks(50) {
        scene.push(some);
    }
    let is_done = AtomicBool::new(false);
    let mut pushing = harness::connect(scene.redis_url());
    let longest = std::thread::scope(|threads| {
        let tracker = threads.spawn(|| {
            let mut longest = Duration::ZERO;
            let mut number = LARGE;
            while !is_done.load(Ordering::Relaxed) {
                let pushed_at = Instant::now();
                let _: u64 = pushing.rpush(&scene.queue, scene.lines(number..number + 1)).unwrap();
                longest = longest.max(pushed_at.elapsed());
                number += 1;
                std::thread::sleep(Duration::from_millis(2));
            }
            (longest, number)
        });
        let _worker = scene.worker(&[]);
        wait_until(MINUTE, "the large lines are through", || scene.delivered() >= LARGE);
        is_done.store(true, Ordering::Relaxed);
        tracker.join().unwrap()
    });
    assert!(longest.0 < Duration::from_millis(500), "a push waited {:?}", longest.0);
    let mut scene = scene;
    let _worker = scene.worker(&[]);
    scene.wait_until_drained(MINUTE + TAKEN_OVER);
    scene.arrived().assert_all_of(0..longest.1);
}
