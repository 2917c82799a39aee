//! Every line arrives, whatever the load, and a stop or a second worker costs nothing.

use std::time::Duration;

use redis::Commands;

use crate::harness::{Signal, wait_until};
use crate::scene::{MINUTE, Scene};

/// Every hundredth of a million lines is bad.
#[test]
fn a_million_lines_arrive_once_each_and_the_bad_ones_are_kept() {
    let mut scene = Scene::new(4);
    let mut lines = scene.lines(0..1_000_000);
    let mut bad = 0;
    for line in lines.iter_mut().skip(50).step_by(100) {
        line.splice(..13, *b"unknown");
        bad += 1;
    }
    scene.push(&lines);
    let worker = scene.worker(&[]);
    scene.wait_until_drained(2 * MINUTE);
    assert!(worker.usage().peak_resident < 128 * 1024 * 1024);
    worker.signal(Signal::TERM);
    assert!(worker.wait(Duration::from_secs(10)).success());

    let arrived = scene.arrived();
    assert_eq!((arrived.len(), arrived.duplicates(), arrived.unequal), (1_000_000 - bad, 0, 0));
    let invalid = scene.invalid();
    assert_eq!(invalid.len() as u64, bad);
    assert!(invalid.iter().all(|record| record["reason"] == "ip"));
}

/// The batch fills several record batches, more than the topic has partitions.
#[test]
fn a_batch_keeps_its_order_within_a_partition() {
    for mode in ["at-least-once", "exactly-once"] {
        let mut scene = Scene::new(1);
        scene.push(&scene.lines(0..20_000));
        let _worker = scene.worker(&[("DELIVERY", mode), ("LANES", "1"), ("BATCH_SIZE", "20000")]);
        scene.wait_until_drained(MINUTE);
        scene.arrived().assert_each_once(0..20_000);
        let partitions = scene.by_partition();
        assert_eq!(partitions.len(), 2, "{mode}: both partitions are used");
        for ((_, partition), numbers) in partitions {
            assert!(numbers.is_sorted(), "{mode}: partition {partition} is out of order");
        }
    }
}

#[test]
fn sigterm_in_mid_run_finishes_what_is_in_flight() {
    let mut scene = Scene::new(2);
    scene.push(&scene.lines(0..300_000));
    let worker = scene.worker(&[]);
    wait_until(MINUTE, "it is in mid-run", || scene.delivered() > 20_000);
    worker.signal(Signal::TERM);
    assert!(worker.wait(Duration::from_secs(6)).success());
    assert_eq!(scene.batches(), 0, "in flight after a stop");
    assert!(scene.depth() > 0, "it had drained before the stop: nothing was tested");
    let queued: u64 = scene.connection.llen(&scene.queue).unwrap();
    assert_eq!(queued, scene.depth(), "all that waits stands where any program finds it");
    let leases: Vec<String> = scene.connection.keys(scene.key("lease:*")).unwrap();
    assert!(leases.is_empty(), "{leases:?}");

    let _second = scene.worker(&[]);
    scene.wait_until_drained(MINUTE);
    scene.arrived().assert_each_once(0..300_000);
}

#[test]
fn two_workers_share_a_queue_without_a_duplicate() {
    let mut scene = Scene::new(2);
    let (_one, _two) = (scene.worker(&[]), scene.worker(&[]));
    for part in 0..30 {
        scene.push(&scene.lines(part * 10_000..(part + 1) * 10_000));
        std::thread::sleep(Duration::from_millis(50));
    }
    scene.wait_until_drained(MINUTE);
    scene.arrived().assert_each_once(0..300_000);
    let reserved: Vec<(String, String)> = scene.connection.hgetall(scene.key("seq")).unwrap();
    assert_eq!(reserved.len(), 4, "each worker has two lanes here, with a slot each: {reserved:?}");
}

#[test]
fn an_idle_worker_hardly_uses_the_cpu_and_wakes_at_once() {
    let mut scene = Scene::new(1);
    let worker = scene.worker(&[]);
    scene.push(&scene.lines(0..1));
    scene.wait_until_drained(MINUTE);
    let before = worker.cpu_time();
    std::thread::sleep(Duration::from_secs(5));
    assert!(worker.cpu_time() - before < Duration::from_millis(250));
    scene.push(&scene.lines(1..2));
    wait_until(Duration::from_secs(1), "the line arrives", || scene.delivered() == 2);
}

#[test]
fn a_paused_queue_is_left_alone_until_it_is_resumed() {
    let mut scene = Scene::new(1);
    let _worker = scene.worker(&[]);
    let _: () = scene.connection.set(scene.key("paused"), "1").unwrap();
    scene.push(&scene.lines(0..100));
    std::thread::sleep(Duration::from_secs(2));
    assert_eq!((scene.depth(), scene.delivered()), (100, 0));
    let _: () = scene.connection.del(scene.key("paused")).unwrap();
    scene.wait_until_drained(Duration::from_secs(5));
    scene.arrived().assert_each_once(0..100);
}

#[test]
fn several_servers_are_drained_and_one_that_is_down_stops_no_other() {
    let down = crate::harness::Redis::start(&[]);
    let mut scene = Scene::new(1);
    let urls = format!("{},{}", down.url(), scene.redis_url());
    down.stop();
    let _worker = scene.worker(&[("REDIS_URL", &urls)]);
    scene.push(&scene.lines(0..1000));
    scene.wait_until_drained(MINUTE);
    down.start_again();
    let lines = scene.lines(1000..2000);
    let _: u64 = down.connection().rpush(&scene.queue, lines).unwrap();
    wait_until(MINUTE, "the other server is drained too", || scene.delivered() == 2000);
    scene.arrived().assert_each_once(0..2000);
}
