//! A Kafka as Heroku's add-on is.

use std::fs;
use std::io;
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use crate::harness::{
    self, Authority, Certificate, Kafka, KafkaOptions, Launch, Operation, Program, Resource, Signal,
};
use crate::local::{checkout, foreman};
use crate::scene::{MINUTE, Scene, TAKEN_OVER, line};

const USER: &str = "u1234";
const PREFIX: &str = "columbia-1234.";
/// Nobody listens there.
const DEAD: &str = "kafka+ssl://127.0.0.1:1";

/// TLS with client certificates, names that begin with a prefix, Write, Read and Describe on such topics and nothing else,
/// and no topic that was not asked for.
struct Addon {
    kafka: Kafka,
    scene: Scene,
}

impl Addon {
    fn new() -> Self {
        let kafka = Kafka::start(KafkaOptions { tls: true, users: &[USER], ..KafkaOptions::default() });
        let topic = format!("{PREFIX}clicks");
        kafka.create_topic(&topic, 8, &[]);
        kafka.create_topic("other-5678.clicks", 1, &[]);
        let operations = [Operation::Write, Operation::Read, Operation::Describe];
        kafka.allow(USER, Resource::TopicPrefix(PREFIX), &operations);
        let mut scene = Scene::on(harness::redis(), &kafka, 0);
        scene.topics = vec![topic];
        Self { kafka, scene }
    }

    fn lines(&self, numbers: std::ops::Range<u64>) -> Vec<Vec<u8>> {
        numbers.map(|number| line(number, "clicks")).collect()
    }

    /// The config vars, in which one CA follows the other as while the brokers' certificates are being renewed.
    fn variables(&self) -> Variables {
        let former = tempfile::tempdir().unwrap();
        let former = Authority::create(former.path());
        let trusted = read(&former.certificate) + &read(&self.kafka.authority().certificate);
        Variables::new(&self.kafka.tls_bootstrap(), trusted, &self.kafka.client_certificate(USER))
    }

    fn start(&self, arguments: &[&str], variables: &Variables, more: &[(&str, &str)]) -> Program {
        let own: Vec<(&str, &str)> =
            variables.0.iter().map(|(name, value)| (*name, value.as_str())).collect();
        Program::start(arguments, &self.scene.variables(&[&own, more].concat()))
    }
}

struct Variables(Vec<(&'static str, String)>);

impl Variables {
    fn new(address: &str, trusted: String, certificate: &Certificate) -> Self {
        Self(vec![
            ("KAFKA_URL", format!("{DEAD},kafka+ssl://{address}")),
            ("KAFKA_PREFIX", PREFIX.to_owned()),
            ("KAFKA_TRUSTED_CERT", trusted),
            ("KAFKA_CLIENT_CERT", read(&certificate.certificate)),
            ("KAFKA_CLIENT_CERT_KEY", read(&certificate.key)),
        ])
    }

    fn all(&self) -> Vec<(&str, &str)> {
        self.0.iter().map(|(name, value)| (*name, value.as_str())).collect()
    }

    fn with(mut self, name: &'static str, value: &str) -> Self {
        self.0.retain(|(known, _)| *known != name);
        self.0.push((name, value.to_owned()));
        self
    }

    fn without(mut self, names: &[&str]) -> Self {
        self.0.retain(|(known, _)| !names.contains(known));
        self
    }
}

fn read(path: &Path) -> String {
    fs::read_to_string(path).unwrap()
}

/// Hands connections on to a port, and counts them.
struct Turnstile {
    address: String,
    count: Arc<AtomicU64>,
}

impl Turnstile {
    fn before(address: &str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let own = listener.local_addr().unwrap().to_string();
        let (count, address) = (Arc::new(AtomicU64::new(0)), address.to_owned());
        let counted = Arc::clone(&count);
        std::thread::spawn(move || {
            for client in listener.incoming() {
                counted.fetch_add(1, Ordering::Relaxed);
                let (Ok(client), Ok(server)) = (client, TcpStream::connect(&address)) else { continue };
                join(&client, &server);
            }
        });
        Self { address: own, count }
    }

    fn count(&self) -> u64 {
        self.count.load(Ordering::Relaxed)
    }
}

fn join(client: &TcpStream, server: &TcpStream) {
    for (from, to) in [(client, server), (server, client)] {
        let (mut from, mut to) = (from.try_clone().unwrap(), to.try_clone().unwrap());
        std::thread::spawn(move || {
            io::copy(&mut from, &mut to).ok();
            to.shutdown(std::net::Shutdown::Write).ok();
        });
    }
}

#[test]
fn a_kafka_as_heroku_has_it_is_written_to() {
    let mut addon = Addon::new();
    addon.scene.push(&addon.lines(0..1000));
    addon.scene.push(&[line(1000, "absent")]);
    let worker = addon.start(&["worker"], &addon.variables(), &[]);
    addon.scene.wait_until_drained(MINUTE);
    let told = worker.wait_for_line("its lines are rejected", MINUTE);
    assert!(told.contains("columbia-1234.absent") && told.contains("Unknown topic"), "{told}");
    let invalid = addon.scene.invalid();
    assert_eq!((invalid.len(), &invalid[0]["reason"]), (1, &"kafka".into()));
    addon.scene.arrived().assert_each_once(0..1000);
    assert!(!worker.stderr_text().contains("PRIVATE KEY"));

    let check = addon.start(&["check"], &addon.variables(), &[]);
    assert!(check.wait(MINUTE).success());
    assert!(check.stdout_text().contains("answers, 1 topics"), "{}", check.stdout_text());
}

/// Its users get no right to transactional ids.
#[test]
fn exactly_once_on_heroku_says_what_is_not_permitted() {
    let mut addon = Addon::new();
    addon.scene.push(&addon.lines(0..100));
    let refused = |command: &str, line: &str| {
        let program = addon.start(&[command], &addon.variables(), &[("DELIVERY", "exactly-once")]);
        assert_eq!(program.wait(MINUTE).code(), Some(78));
        let said = program.stdout_text() + &program.stderr_text();
        assert_eq!(said.matches(line).count(), 1, "{said}");
    };
    refused("worker", "OFFSETS_TOPIC: exactly-once needs the topic columbia-1234.kafkastore-offsets");
    addon.kafka.create_topic("columbia-1234.kafkastore-offsets", 1, &[]);
    for command in ["worker", "check"] {
        refused(
            command,
            "DELIVERY: exactly-once needs the permission (ACL) to Write and Describe on transactional ids that begin \
             with columbia-1234.kafkastore.",
        );
    }
    assert_eq!((addon.scene.depth(), addon.scene.batches()), (100, 0));
}

/// One plain line each, a few connections a second at most, and the lines wait.
#[test]
fn a_wrong_certificate_or_user_is_named_and_costs_nothing() {
    const LOOK: Duration = Duration::from_secs(8);
    const NOT_TAKEN: &str = "it does not take our certificate: KAFKA_CLIENT_CERT is missing";
    const NOT_TRUSTED: &str = "its certificate cannot be verified: KAFKA_TRUSTED_CERT must hold";
    const NO_TOPIC: &str = "this user is shown no topic that begins with columbia-1234.";
    let mut addon = Addon::new();
    addon.scene.push(&addon.lines(0..1000));
    let elsewhere = tempfile::tempdir().unwrap();
    let elsewhere = Authority::create(elsewhere.path());
    let foreign = elsewhere.issue(USER);
    let expired = addon.kafka.authority().issue_expired(USER);
    let stranger = addon.kafka.client_certificate("stranger");
    let shown = |certificate: &Certificate| {
        addon
            .variables()
            .with("KAFKA_CLIENT_CERT", &read(&certificate.certificate))
            .with("KAFKA_CLIENT_CERT_KEY", &read(&certificate.key))
    };
    let cases = [
        ("none", addon.variables().without(&["KAFKA_CLIENT_CERT", "KAFKA_CLIENT_CERT_KEY"]), NOT_TAKEN),
        ("one that has run out", shown(&expired), NOT_TAKEN),
        ("one of another authority", shown(&foreign), NOT_TAKEN),
        ("that of a user without rights", shown(&stranger), NO_TOPIC),
        ("no authority", addon.variables().without(&["KAFKA_TRUSTED_CERT"]), NOT_TRUSTED),
        (
            "one of another authority, exactly-once",
            shown(&foreign).with("DELIVERY", "exactly-once"),
            NOT_TAKEN,
        ),
        (
            "another authority",
            addon.variables().with("KAFKA_TRUSTED_CERT", &read(&elsewhere.certificate)),
            NOT_TRUSTED,
        ),
    ];
    let running: Vec<_> = cases
        .into_iter()
        .map(|(case, variables, expected)| {
            let turnstile = Turnstile::before(&addon.kafka.tls_bootstrap());
            let url = format!("{DEAD},kafka+ssl://{}", turnstile.address);
            let variables = variables.with("KAFKA_URL", &url);
            let worker = addon.start(&["worker"], &variables, &[]);
            let check = addon.start(&["check"], &variables, &[]);
            (case, expected, turnstile, worker, check)
        })
        .collect();
    for (case, expected, _, worker, check) in &running {
        worker.wait_for_line("lines wait in redis", MINUTE);
        worker.wait_for_line(expected, MINUTE);
        check.wait(MINUTE);
        let said = check.stdout_text();
        assert_eq!(said.matches(expected).count(), 1, "{case}: {said}");
    }
    assert!(running[1].3.stderr_text().contains("KAFKA_CLIENT_CERT: it ran out on "));
    let before: Vec<u64> = running.iter().map(|(_, _, turnstile, ..)| turnstile.count()).collect();
    std::thread::sleep(LOOK);
    for ((case, expected, turnstile, worker, _), before) in running.iter().zip(before) {
        let connections = turnstile.count() - before;
        assert!(connections <= 4 * LOOK.as_secs(), "{case}: {connections} connections within {LOOK:?}");
        // The trouble, and that lines wait for it.
        let said = worker.stderr_text();
        assert!(said.matches(expected).count() <= 2, "{case}: {said}");
    }
    assert!(addon.scene.invalid().is_empty());
    drop(running);
    let _worker = addon.start(&["worker"], &addon.variables(), &[]);
    addon.scene.wait_until_drained(MINUTE + TAKEN_OVER);
    addon.scene.arrived().assert_each_once(0..1000);
}

#[test]
fn what_is_no_certificate_is_named_before_anything_is_tried() {
    let authority = tempfile::tempdir().unwrap();
    let authority = Authority::create(authority.path());
    let (ours, other) = (authority.issue(USER), authority.issue("other"));
    let trusted = read(&authority.certificate);
    let right = || Variables::new("127.0.0.1:1", trusted.clone(), &ours);
    for (variables, line) in [
        (right().with("KAFKA_CLIENT_CERT", "x"), "KAFKA_CLIENT_CERT: it is not PEM text, or not all of it"),
        (
            right().with("KAFKA_CLIENT_CERT_KEY", &read(&other.key)),
            "KAFKA_CLIENT_CERT_KEY: it is not the key of KAFKA_CLIENT_CERT",
        ),
        (
            right().with("KAFKA_TRUSTED_CERT", &trusted[..300]),
            "KAFKA_TRUSTED_CERT: it is not PEM text, or not all of it",
        ),
    ] {
        for command in ["worker", "check"] {
            let program = Program::start(&[command], &variables.all());
            assert_eq!(program.wait(MINUTE).code(), Some(78));
            let said = program.stdout_text() + &program.stderr_text();
            assert_eq!(said.matches(line).count(), 1, "{said}");
        }
    }
}

/// Also where foreman has written units for systemd: that leaves out values with line ends, as in these, and the program
/// finds them in the file.
#[test]
fn foreman_and_its_units_start_workers_with_certificates() {
    let mut addon = Addon::new();
    let directory = checkout();
    let set = addon.variables();
    let all = addon.scene.variables(&set.all()).into_iter();
    let file: String =
        all.map(|(name, value)| format!("{name}=\"{}\"\n", value.replace('\n', "\\n"))).collect();
    fs::write(directory.path().join(".env"), file).unwrap();
    addon.scene.push(&addon.lines(0..100));
    {
        let foreman = foreman(directory.path(), &["start", "worker"]);
        addon.scene.wait_until_drained(MINUTE);
        foreman.signal(Signal::TERM);
        foreman.wait(MINUTE);
    }
    let export = ["export", "systemd", "units", "--app", "kafkastore", "--user", "nobody"];
    assert!(foreman(directory.path(), &export).wait(MINUTE).success());
    let unit = read(&directory.path().join("units/kafkastore-worker.1.service"));
    let of_unit = |name| unit.lines().filter_map(move |line: &str| line.strip_prefix(name));
    let command = of_unit("ExecStart=/bin/bash -lc '").next().unwrap().trim_end_matches('\'');
    let variables: Vec<(&str, &str)> = of_unit("Environment=\"")
        .filter_map(|variable| variable.strip_suffix('"')?.split_once('='))
        .collect();
    assert!(variables.iter().any(|(name, _)| *name == "KAFKA_URL"), "{unit}");
    assert!(!variables.iter().any(|(name, _)| *name == "KAFKA_TRUSTED_CERT"), "{unit}");
    addon.scene.push(&addon.lines(100..200));
    let started = Launch::of(Path::new("bash"), &["-c", command]);
    let _worker = started.directory(directory.path()).variables(&variables).start();
    addon.scene.wait_until_drained(MINUTE);
    addon.scene.arrived().assert_each_once(0..200);
}
