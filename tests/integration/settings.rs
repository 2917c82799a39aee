//! Wrong settings end the program at once, with one plain line.

use std::time::Duration;

use crate::harness::{self, Program, Redis};

/// The exit code, and what it said.
fn ended(arguments: &[&str], variables: &[(&str, &str)]) -> (i32, String) {
    let program = Program::start(arguments, variables);
    let status = program.wait(Duration::from_secs(10));
    (status.code().unwrap(), program.stderr_text())
}

#[test]
fn a_wrong_setting_is_named_with_what_is_allowed() {
    let kafka = ("KAFKA_URL", "127.0.0.1:1");
    for (variables, line) in [
        (vec![], "KAFKA_URL: it must name a Kafka broker (or KAFKA_HOST, one host at port 9092)"),
        (vec![kafka, ("BATCH_SIZE", "0")], "BATCH_SIZE: a whole number from 1 to 100000 is allowed"),
        (vec![kafka, ("LANES", "many")], "LANES: a whole number from 1 to 64 is allowed"),
        (vec![kafka, ("DELIVERY", "maybe")], "DELIVERY: allowed is at-least-once, exactly-once"),
        (
            vec![kafka, ("KAFKA_COMPRESSION", "rar")],
            "KAFKA_COMPRESSION: allowed is none, gzip, snappy, lz4, zstd",
        ),
        (
            vec![kafka, ("KAFKA_TOPICS", "a b")],
            "KAFKA_TOPICS: at most 249 letters, digits, '.', '_' and '-' are allowed",
        ),
        (
            vec![kafka, ("REDIS_URL", "localhost")],
            "REDIS_URL: redis://host[:port][/database] or rediss://... is needed",
        ),
        (
            vec![("KAFKA_URL", "http://a")],
            "KAFKA_URL: host:port, kafka://host:port or kafka+ssl://host:port is needed",
        ),
        (
            vec![kafka, ("GEOIP_DB", "/nowhere")],
            "GEOIP_DB: cannot read the country database /nowhere: No such file or directory (os error 2)",
        ),
        (vec![kafka, ("DEVICE_ENGINE", "yes")], "DEVICE_ENGINE: allowed is woothee, matomo"),
        (
            vec![kafka, ("DEVICE_ENGINE", "matomo"), ("DEVICE_REGEXES", "/nowhere")],
            "DEVICE_REGEXES: /nowhere/bots.yml: No such file or directory (os error 2)",
        ),
        (
            vec![kafka, ("KAFKA_PROPERTY_ACKS", "1")],
            "KAFKA_PROPERTY_...: acks cannot be set: no message may be lost with a broker",
        ),
        (
            vec![kafka, ("KAFKA_PROPERTY_LINGER_US", "1")],
            "KAFKA_PROPERTY_LINGER_US: librdkafka knows no linger.us with such a value",
        ),
        (
            vec![kafka, ("KAFKA_CLIENT_CERT", "x")],
            "KAFKA_CLIENT_CERT_KEY: it is needed where KAFKA_CLIENT_CERT is set",
        ),
        (vec![kafka, ("LOG_FORMAT", "xml")], "LOG_FORMAT: allowed is text, json"),
    ] {
        let (code, said) = ended(&["worker"], &variables);
        assert_eq!((code, said.trim_end()), (78, format!("kafkastore: {line}").as_str()));
    }
}

#[test]
fn a_way_in_that_lets_nobody_in_is_refused() {
    let id = ("GOOGLE_CLIENT_ID", "id");
    let secret = ("GOOGLE_CLIENT_SECRET", "not-to-be-seen");
    for (variables, line) in [
        (
            vec![id, secret],
            "ACCESS_DOMAINS: it must name who may enter (or ACCESS_EMAILS), since GOOGLE_CLIENT_ID is set",
        ),
        (vec![id], "GOOGLE_CLIENT_SECRET: it is needed where GOOGLE_CLIENT_ID is set"),
        (vec![secret], "GOOGLE_CLIENT_ID: it is needed where GOOGLE_CLIENT_SECRET is set"),
        (vec![("WEB_PASSWORD", "seen")], "WEB_PASSWORD: at least 8 characters are needed"),
        (vec![("COOKIE_SECRET", "seen")], "COOKIE_SECRET: at least 32 bytes are needed"),
        (
            vec![("OIDC_ISSUER", "http://a.example")],
            "OIDC_ISSUER: an address such as https://accounts.google.com is needed",
        ),
    ] {
        let (code, said) = ended(&["web"], &variables);
        assert_eq!((code, said.trim_end()), (78, format!("kafkastore: {line}").as_str()));
    }
}

#[test]
fn wrong_usage_is_told_from_a_wrong_setting() {
    let (code, said) = ended(&["worker", "--colour"], &[]);
    assert_eq!((code, said.as_str()), (64, "kafkastore: unexpected argument '--colour' found\n"));
    assert_eq!(ended(&["fly"], &[]).0, 64);
}

#[test]
fn a_redis_cluster_is_refused_at_start() {
    let cluster = Redis::start(&["--cluster-enabled", "yes", "--databases", "1"]);
    let variables = [("REDIS_URL", cluster.url()), ("KAFKA_URL", harness::kafka().bootstrap())];
    let variables = variables.each_ref().map(|(name, value)| (*name, value.as_str()));
    let (code, said) = ended(&["worker"], &variables);
    assert_eq!(code, 78);
    let last = said.lines().last().unwrap();
    assert!(last.contains("Redis Cluster is not supported"), "{said}");
}
