//! A Redis as Heroku's add-on is: TLS with a certificate of its own, a password that changes, 20 connections, and a limit of
//! memory beyond which it takes no more.

use std::time::Duration;

use crate::harness::{self, Program, Redis, Signal, wait_until};
use crate::scene::{MINUTE, Scene, TAKEN_OVER};
use crate::web::Web;

const CONNECTIONS: u64 = 20;

fn addon() -> Redis {
    let limits = ["--maxmemory", "25mb", "--maxmemory-policy", "noeviction", "--maxclients", "20"];
    Redis::start_tls("opensesame", &limits)
}

/// The config vars of the button.
fn worker(scene: &Scene) -> Program {
    scene.worker(&[("REDIS_TLS_INSECURE", "1")])
}

/// Cuts all connections but the test's own, as the add-on does when it is maintained, and idle ones every five minutes.
fn cut(scene: &mut Scene) {
    let kind = redis::cmd("CLIENT")
        .arg("KILL")
        .arg("TYPE")
        .arg("normal")
        .arg("SKIPME")
        .arg("yes")
        .exec(&mut scene.connection);
    kind.unwrap();
}

fn connections(scene: &mut Scene) -> u64 {
    let list: String = redis::cmd("CLIENT").arg("LIST").query(&mut scene.connection).unwrap();
    list.lines().count() as u64
}

#[test]
fn a_certificate_of_its_own_is_taken_where_that_is_wanted() {
    let redis = addon();
    let mut scene = Scene::on(&redis, harness::kafka(), 1);
    scene.push(&scene.lines(0..1000));
    {
        let refusing = scene.worker(&[]);
        let line = refusing.wait_for_line("redis does not answer", MINUTE);
        assert!(line.contains("REDIS_TLS_INSECURE") && !line.contains("opensesame"), "{line}");
        assert_eq!(scene.depth(), 1000);
    }
    let _worker = worker(&scene);
    scene.wait_until_drained(MINUTE);
    scene.arrived().assert_each_once(0..1000);
}

#[test]
fn connections_that_are_cut_are_made_again() {
    let redis = addon();
    let mut scene = Scene::on(&redis, harness::kafka(), 1);
    let _worker = worker(&scene);
    let web = Web::start(&scene.variables(&[("REDIS_TLS_INSECURE", "1")]));
    for round in 0..10 {
        scene.push(&scene.lines(round * 2000..(round + 1) * 2000));
        std::thread::sleep(Duration::from_millis(100));
        cut(&mut scene);
    }
    scene.wait_until_drained(MINUTE + TAKEN_OVER);
    scene.arrived().assert_all_of(0..20_000);
    wait_until(MINUTE, "web sees it", || web.status("/health") == 200);
}

/// The add-on gets a new password, Heroku sets `REDIS_URL` and restarts; for a while the old one is in use still.
#[test]
fn a_password_that_changes_loses_nothing() {
    let redis = addon();
    let mut scene = Scene::on(&redis, harness::kafka(), 1);
    scene.push(&scene.lines(0..20_000));
    let former = worker(&scene);
    wait_until(MINUTE, "it is in mid-run", || scene.delivered() > 0);
    redis::cmd("CONFIG").arg("SET").arg("requirepass").arg("newsesame").exec(&mut scene.connection).unwrap();
    cut(&mut scene);
    scene.push(&scene.lines(20_000..21_000));
    former.wait_for_line("the user or password in REDIS_URL is wrong", MINUTE);
    std::thread::sleep(Duration::from_secs(3));
    let said = former.stderr_text();
    assert!(!said.contains("sesame") && said.matches("password").count() < 10, "{said}");
    former.signal(Signal::TERM);
    assert!(former.wait(MINUTE).success());

    let url = scene.redis_url().replace("opensesame", "newsesame");
    let _worker = scene.worker(&[("REDIS_TLS_INSECURE", "1"), ("REDIS_URL", &url)]);
    scene.wait_until_drained(MINUTE + TAKEN_OVER);
    scene.arrived().assert_all_of(0..21_000);
}

/// As at a deploy: the new ones are started before the old ones end.
#[test]
fn two_workers_and_two_webs_get_along_with_20_connections() {
    let redis = addon();
    let mut scene = Scene::on(&redis, harness::kafka(), 1);
    let set = [("REDIS_TLS_INSECURE", "1"), ("LANES", "4"), ("WEB_TOKEN", "0123456789abcdef")];
    let former = (scene.worker(&set), Web::start(&scene.variables(&set)));
    let new = (scene.worker(&set), Web::start(&scene.variables(&set)));
    scene.push(&scene.lines(0..20_000));
    scene.wait_until_drained(MINUTE);
    for web in [&former.1, &new.1] {
        web.get("/queues", "Authorization: Bearer 0123456789abcdef\r\n");
    }
    std::thread::sleep(Duration::from_secs(3));
    // At most eight of each worker and one of each web, and the test's own.
    assert!(connections(&mut scene) < CONNECTIONS);
    for program in [former.0, new.0] {
        assert!(!program.stderr_text().contains("limit of connections"));
    }
}

#[test]
fn a_worker_that_gets_no_connection_says_so_and_waits_for_one() {
    let redis = addon();
    let mut scene = Scene::on(&redis, harness::kafka(), 1);
    scene.push(&scene.lines(0..1000));
    let mut taken: Vec<_> = (0..CONNECTIONS - 2).map(|_| harness::connect(scene.redis_url())).collect();
    while connections(&mut scene) < CONNECTIONS {
        taken.push(harness::connect(scene.redis_url()));
    }
    let waiting = worker(&scene);
    waiting.wait_for_line("its limit of connections is reached", MINUTE);
    drop(taken);
    scene.wait_until_drained(MINUTE);
    scene.arrived().assert_each_once(0..1000);
}
