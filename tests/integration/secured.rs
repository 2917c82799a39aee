//! Who is let in, and what nobody gets to see.

use std::time::Duration;

use redis::Commands;

use crate::harness::{self, Authority, Launch, Program, Redis, Signal};
use crate::scene::{MINUTE, Scene};

const SECRET: &str = "swordfish";

/// Each secret that there is, and where it belongs; `address` is what stands behind the password of Redis.
fn secrets(address: &str) -> Vec<(&'static str, String)> {
    let long = SECRET.repeat(4);
    vec![
        ("REDIS_URL", format!("rediss://:{SECRET}@{address}")),
        ("KAFKA_PROPERTY_SASL_PASSWORD", SECRET.to_owned()),
        ("KAFKA_PROPERTY_SSL_KEY_PASSWORD", SECRET.to_owned()),
        ("WEB_TOKEN", long.clone()),
        ("WEB_PASSWORD", long.clone()),
        ("COOKIE_SECRET", long.clone()),
        ("GOOGLE_CLIENT_ID", "client".to_owned()),
        ("ACCESS_DOMAINS", "example.com".to_owned()),
        ("GOOGLE_CLIENT_SECRET", SECRET.to_owned()),
    ]
}

/// Whatever the command, however much it logs, and whether the settings are right, lead nowhere or make no sense.
#[test]
fn no_secret_shows_in_any_output() {
    let redis = Redis::start_tls(SECRET, &[]);
    let kafka = harness::kafka();
    let right = secrets(&format!("127.0.0.1:{}", redis.port()));
    let leads_nowhere = secrets("127.0.0.1:1");
    let directory = tempfile::tempdir().unwrap();
    let certificate = Authority::create(directory.path()).issue("user").certificate;
    let certificate = std::fs::read_to_string(certificate).unwrap();
    let nonsense = |name: &'static str, value: &str| {
        let mut nonsense = secrets("127.0.0.1:1");
        nonsense
            .extend([("KAFKA_CLIENT_CERT", certificate.clone()), ("KAFKA_CLIENT_CERT_KEY", String::new())]);
        nonsense.retain(|(known, _)| *known != name);
        nonsense.push((name, value.to_owned()));
        ("127.0.0.1:1".to_owned(), nonsense)
    };
    let mut settings = vec![
        (kafka.bootstrap(), right),
        ("127.0.0.1:1".to_owned(), leads_nowhere),
        (format!("kafka://user:{SECRET}@127.0.0.1:1"), secrets("127.0.0.1:1")),
        nonsense("REDIS_URL", &format!("http://user:{SECRET}@host")),
    ];
    settings.extend(
        ["COOKIE_SECRET", "KAFKA_CLIENT_CERT_KEY", "KAFKA_TRUSTED_CERT"].map(|name| nonsense(name, SECRET)),
    );
    for (place, (kafka_url, secrets)) in settings.iter().enumerate() {
        let port = harness::free_port().to_string();
        let more = [
            ("KAFKA_URL", kafka_url.as_str()),
            ("REDIS_TLS_INSECURE", "1"),
            ("RUST_LOG", "trace"),
            ("PORT", &port),
        ];
        let set: Vec<(&str, &str)> = secrets.iter().map(|(name, value)| (*name, value.as_str())).collect();
        let set = [&more[..], &set].concat();
        let commands: [&[&str]; 12] = [
            &["worker"],
            &["web"],
            &["tail"],
            &["check"],
            &["send", "--sample", "10"],
            &["enrich"],
            &["status", "--json"],
            &["pause"],
            &["resume"],
            &["invalid", "list"],
            &["give-back"],
            &["env"],
        ];
        let running: Vec<Program> = commands
            .iter()
            .map(|command| Launch::new(command).variables(&set).directory(directory.path()).start())
            .collect();
        std::thread::sleep(Duration::from_secs(4));
        for (program, command) in running.iter().zip(commands) {
            if program.is_running() {
                program.signal(Signal::TERM);
            }
            program.wait(MINUTE);
            let said = program.stdout_text() + &program.stderr_text();
            assert!(!said.contains(SECRET), "{command:?} at {kafka_url}:\n{said}");
            let works = match command[0] {
                "worker" | "web" => said.contains(" started "),
                "status" => said.contains("\"depth\""),
                _ => true,
            };
            assert!(place > 0 || works, "{command:?} does not work:\n{said}");
        }
    }
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
