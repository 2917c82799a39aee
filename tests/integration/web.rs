//! The web process, asked as load balancers and people ask it.

use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::time::{Duration, Instant};

use redis::Commands;
use serde_json::Value;

use crate::browser::Browser;
use crate::harness::{self, Program, Redis, Signal, wait_until};
use crate::scene::{MINUTE, Scene};

const SOON: Duration = Duration::from_secs(10);

pub struct Web {
    pub program: Program,
    pub port: u16,
}

impl Web {
    pub fn start(variables: &[(&str, &str)]) -> Self {
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port().to_string();
        let program = Program::start(&["web"], &[variables, &[("PORT", port.as_str())]].concat());
        program.wait_for_line("web started", SOON);
        Self { program, port: port.parse().unwrap() }
    }

    /// The status and the body.
    pub fn get(&self, path: &str, headers: &str) -> (u16, String) {
        let mut stream = TcpStream::connect(("127.0.0.1", self.port)).unwrap();
        let request = format!("GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n{headers}\r\n");
        stream.write_all(request.as_bytes()).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        let status = answer.split(' ').nth(1).unwrap().parse().unwrap();
        (status, answer.split_once("\r\n\r\n").unwrap().1.to_owned())
    }

    pub fn status(&self, path: &str) -> u16 {
        self.get(path, "").0
    }
}

#[test]
fn health_is_bad_only_while_lines_wait_for_nobody() {
    let mut scene = Scene::new(1);
    let web = Web::start(&scene.variables(&[]));
    assert_eq!(web.get("/health", ""), (200, r#"{"ok":true,"reasons":[]}"#.to_owned()));
    scene.push(&scene.lines(0..3));
    wait_until(SOON, "lines wait", || web.status("/health") == 503);
    let (_, body) = web.get("/health", "");
    assert!(body.contains("lines wait and no worker is alive"), "{body}");
    assert_eq!((web.status("/health/live"), web.status("/health/ready")), (200, 200));
    let _worker = scene.worker(&[]);
    wait_until(MINUTE, "a worker lives", || web.status("/health") == 200);
}

#[test]
fn redis_away_is_told_quickly_and_it_comes_back_by_itself() {
    let redis = Redis::start(&[]);
    let web = Web::start(&[("REDIS_URL", &redis.url())]);
    assert_eq!(web.get("/pingdom", ""), (200, "ok".to_owned()));
    let open = || std::fs::read_dir(format!("/proc/{}/fd", web.program.process_id())).unwrap().count();
    let before = open();

    redis.pause();
    let asked_at = Instant::now();
    for path in ["/pingdom", "/queues", "/health", "/health/ready", "/metrics"] {
        let expected = if path == "/metrics" { 200 } else { 503 };
        wait_until(SOON, path, || web.status(path) == expected);
    }
    assert!(asked_at.elapsed() < 5 * Duration::from_secs(3), "{:?}", asked_at.elapsed());
    std::thread::scope(|threads| {
        for _ in 0..50 {
            threads.spawn(|| assert_eq!(web.status("/health"), 503));
        }
    });
    redis.resume();
    wait_until(SOON, "it is back", || web.status("/health") == 200);

    redis.kill();
    assert_eq!(web.status("/pingdom"), 503);
    redis.start_again();
    wait_until(SOON, "it is back", || web.status("/pingdom") == 200);
    wait_until(SOON, "no connection was left behind", || open() <= before + 1);
}

#[test]
fn the_overview_says_that_redis_is_away_and_comes_back_by_itself() {
    let redis = Redis::start(&[]);
    let browser = Browser::sign_in(&redis.url());
    let shows = |words: &str| {
        let answer = browser.get("/");
        assert_eq!(answer.status, 200);
        answer.body.contains(words)
    };
    wait_until(SOON, "all is well", || shows("All is well."));
    redis.kill();
    wait_until(SOON, "it says so", || shows("redis does not answer"));
    assert_eq!(browser.get("/history").status, 503);
    redis.start_again();
    wait_until(SOON, "it is back", || shows("All is well."));
}

#[test]
fn however_many_ask_redis_gets_a_few_commands_a_second() {
    let redis = Redis::start(&[]);
    let mut connection = harness::connect(&redis.url());
    let web = Web::start(&[("REDIS_URL", &redis.url())]);
    let mut commands = || -> u64 {
        let info: String = redis::cmd("INFO").arg("stats").query(&mut connection).unwrap();
        let processed = info.lines().find_map(|line| line.strip_prefix("total_commands_processed:"));
        processed.unwrap().trim().parse().unwrap()
    };
    assert_eq!(web.status("/queues"), 200);
    let (before, started_at) = (commands(), Instant::now());
    let mut asked = 0;
    while started_at.elapsed() < Duration::from_secs(10) {
        assert_eq!(web.status("/queues"), 200);
        asked += 1;
    }
    let each_second = (commands() - before) as f64 / started_at.elapsed().as_secs_f64();
    assert!(asked > 1_000, "{asked}");
    assert!(each_second < 8.0, "{each_second} commands a second for {asked} requests");
}

#[test]
fn the_queues_are_for_those_who_show_the_token() {
    let mut scene = Scene::new(1);
    scene.push(&scene.lines(0..3));
    let open = Web::start(&scene.variables(&[]));
    let (status, body) = open.get("/queues", "");
    let queues: Value = serde_json::from_str(&body).unwrap();
    assert_eq!((status, &queues[0]["depth"]), (200, &Value::from(3)));
    assert_eq!(open.get("/queues", "X-Forwarded-For: 8.8.8.8\r\n").0, 403);

    let closed = Web::start(&scene.variables(&[("WEB_TOKEN", "secret")]));
    assert_eq!(closed.get("/queues", "").0, 401);
    assert_eq!(closed.get("/queues", "Authorization: Bearer wrong\r\n").0, 401);
    assert_eq!(closed.get("/queues", "Authorization: Bearer secret\r\n").0, 200);
    assert_eq!(closed.get("/health", "").0, 503);
    assert!(!closed.program.stderr_text().contains("secret"));
}

#[test]
fn it_ends_in_time_whoever_is_still_connected() {
    let url = harness::redis().fresh_database();
    let web = Web::start(&[("REDIS_URL", &url)]);
    let mut slow = TcpStream::connect(("127.0.0.1", web.port)).unwrap();
    slow.write_all(b"GET /health HT").unwrap();
    let _idle = TcpStream::connect(("127.0.0.1", web.port)).unwrap();
    web.program.signal(Signal::TERM);
    // foreman kills after five seconds.
    assert!(web.program.wait(Duration::from_secs(4)).success());
}

#[test]
fn a_port_that_cannot_be_had_is_named() {
    let url = harness::redis().fresh_database();
    let taken = TcpListener::bind("0.0.0.0:0").unwrap();
    let port = taken.local_addr().unwrap().port().to_string();
    let ended = |port: &str| {
        let web = Program::start(&["web"], &[("REDIS_URL", &url), ("PORT", port)]);
        (web.wait(SOON).code().unwrap(), web.stderr_text())
    };
    let (code, said) = ended(&port);
    assert_eq!(code, 69);
    let last = said.lines().last().unwrap();
    assert!(last.starts_with("kafkastore: PORT: another program listens on "), "{said}");
    assert_eq!(
        ended("http"),
        (78, "kafkastore: PORT: a whole number from 1 to 65535 is allowed\n".to_owned())
    );
}

#[test]
fn a_key_of_another_program_is_no_reason_to_fall_over() {
    let mut scene = Scene::new(1);
    let queue = scene.queue.clone();
    let _: () = scene.connection.set(&queue, "a string").unwrap();
    let web = Web::start(&scene.variables(&[]));
    assert_eq!(web.status("/queues"), 503);
    assert_eq!(web.status("/pingdom"), 200);
}
