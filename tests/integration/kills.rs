//! A worker that dies, or that is taken for dead: nothing is lost, and what comes twice comes in the same bytes.

use std::time::Duration;

use redis::Commands;

use crate::harness::{Signal, wait_until};
use crate::scene::{Arrived, MINUTE, Scene, TAKEN_OVER};

/// Batches that one lane may have under way.
const UNDER_WAY: u64 = 4;

#[test]
fn sigkill_in_mid_run_loses_nothing() {
    let mut scene = Scene::new(4);
    scene.push(&scene.lines(0..500_000));
    let worker = scene.worker(&[("LANES", "2"), ("BATCH_SIZE", "1000")]);
    wait_until(MINUTE, "it is in mid-run", || scene.delivered() > 50_000);
    worker.kill();
    assert!(scene.batches() > 0, "nothing was in flight: nothing was tested");
    let _second = scene.worker(&[]);
    scene.wait_until_drained(MINUTE + TAKEN_OVER);
    let arrived = scene.arrived();
    arrived.assert_all_of(0..500_000);
    assert!(arrived.duplicates() <= 2 * UNDER_WAY * 1000, "{} duplicates", arrived.duplicates());
}

/// Each step between reserve and acknowledge; the worker is killed while it stands there in its eleventh batch.
#[test]
fn sigkill_at_any_step_loses_nothing_and_rejects_nothing_twice() {
    const STEPS: [&str; 9] = [
        "reserved",
        "read",
        "enriched",
        "looked_up",
        "rejected",
        "sending",
        "sent",
        "delivered",
        "acknowledged",
    ];
    std::thread::scope(|threads| {
        for step in STEPS {
            threads.spawn(move || {
                let arrived = kill_at(step, &[]);
                arrived.assert_all_of(0..KILL_LINES);
                let duplicates = arrived.duplicates();
                assert!(duplicates <= UNDER_WAY * KILL_BATCH, "{step}: {duplicates} duplicates");
            });
        }
    });
}

const KILL_LINES: u64 = 2000;
const KILL_BATCH: u64 = 50;

/// Kills a worker at a step, lets another finish, and gives what arrived; no bad line may be lost or kept twice.
pub fn kill_at(step: &str, mode: &[(&str, &str)]) -> Arrived {
    let mut scene = Scene::new(2);
    let mut lines = scene.lines(0..KILL_LINES);
    let bad: Vec<Vec<u8>> =
        (0..40).map(|number| format!("unknown 1 t / bad={number}").into_bytes()).collect();
    for (place, line) in bad.iter().enumerate() {
        lines.insert(place * 50, line.clone());
    }
    scene.push(&lines);
    // One step is taken for each line: there it stands in the middle of a batch.
    let passes = if step == "sending" { 10 * KILL_BATCH + KILL_BATCH / 2 } else { 10 };
    let hang = format!("{step}={passes}*off->sleep(600000)");
    let variables = [mode, &[("LANES", "1"), ("BATCH_SIZE", "50"), ("FAILPOINTS", &hang)]].concat();
    let worker = scene.worker(&variables);
    let mut seen = (0, 0);
    let mut since = std::time::Instant::now();
    wait_until(MINUTE, &format!("the worker stands at {step}"), || {
        let now = (scene.depth(), scene.delivered());
        if now != seen {
            (seen, since) = (now, std::time::Instant::now());
        }
        now.0 < KILL_LINES && now.0 > 0 && since.elapsed() > Duration::from_millis(1500)
    });
    worker.kill();
    let _second = scene.worker(&[mode, &[("LANES", "1")]].concat());
    scene.wait_until_drained(MINUTE + TAKEN_OVER);
    let mut rejected: Vec<String> =
        scene.invalid().iter().map(|record| record["payload"].as_str().unwrap().to_owned()).collect();
    rejected.sort();
    let mut expected: Vec<String> = bad.into_iter().map(|line| String::from_utf8(line).unwrap()).collect();
    expected.sort();
    assert_eq!(rejected, expected, "{step}: each bad line once");
    scene.arrived()
}

#[test]
fn a_worker_that_stood_still_for_longer_than_a_lease_starts_over() {
    let mut scene = Scene::new(2);
    let variables = [("LANES", "2"), ("BATCH_SIZE", "1000")];
    let stopped = scene.worker(&variables);
    scene.push(&scene.lines(0..300_000));
    wait_until(MINUTE, "it is in mid-run", || scene.delivered() > 20_000);
    stopped.signal(Signal::STOP);
    let _other = scene.worker(&variables);
    scene.wait_until_drained(MINUTE + TAKEN_OVER);
    stopped.signal(Signal::CONT);
    stopped.wait_for_line("lease lost", Duration::from_secs(10));
    scene.push(&scene.lines(300_000..400_000));
    scene.wait_until_drained(MINUTE);
    let arrived = scene.arrived();
    arrived.assert_all_of(0..400_000);
    assert!(arrived.duplicates() <= 2 * UNDER_WAY * 1000, "{} duplicates", arrived.duplicates());
}

/// It is taken over a third and a fourth time before it is known for certain; leases are ended by hand to save time.
#[test]
fn a_line_at_which_workers_die_is_rejected_and_its_neighbours_arrive() {
    let mut scene = Scene::new(1);
    let mut lines = scene.lines(0..100);
    let doomed = format!("8.8.8.8 1465287056 {} /t/ist n=100&crash-me agent", scene.topics[0]);
    lines.insert(60, doomed.clone().into_bytes());
    scene.push(&lines);
    let variables = [("LANES", "1"), ("FAILPOINTS", "enriching=panic")];
    scene.worker(&variables).wait(MINUTE);
    // As if it had happened twice already.
    let batches: Vec<(String, String)> = scene.connection.hgetall(scene.key("batches")).unwrap();
    let [(field, entry)] = batches.as_slice() else { panic!("{batches:?}") };
    let _: () =
        scene.connection.hset(scene.key("batches"), field, entry.replace("once 0", "once 2")).unwrap();
    for _ in 0..3 {
        let leases: Vec<String> = scene.connection.keys(scene.key("lease:*")).unwrap();
        let _: () = scene.connection.del(leases).unwrap();
        let worker = scene.worker(&variables);
        wait_until(MINUTE, "it dies or is done", || !worker.is_running() || scene.batches() == 0);
    }
    scene.wait_until_drained(MINUTE);
    scene.arrived().assert_each_once(0..100);
    let invalid = scene.invalid();
    assert_eq!(invalid.len(), 1, "{invalid:?}");
    assert_eq!((&invalid[0]["reason"], &invalid[0]["payload"]), (&"crash".into(), &doomed.into()));
}
