//! Every line arrives, whatever the load.

use std::time::Duration;

use crate::harness::Signal;
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
    let started_at = std::time::Instant::now();
    scene.push(&lines);
    println!("pushed in {:?}", started_at.elapsed());
    let worker = scene.worker(&[]);
    let started_at = std::time::Instant::now();
    scene.wait_until_drained(2 * MINUTE);
    println!("drained in {:?}, {:?}", started_at.elapsed(), worker.usage());
    worker.signal(Signal::TERM);
    assert!(worker.wait(Duration::from_secs(10)).success());

    let arrived = scene.arrived();
    assert_eq!((arrived.len(), arrived.duplicates()), (1_000_000 - bad, 0));
    let invalid = scene.invalid();
    assert_eq!(invalid.len() as u64, bad);
    assert!(invalid.iter().all(|record| record["reason"] == "ip"));
}
