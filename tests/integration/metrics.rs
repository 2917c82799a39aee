//! What workers count and the web process adds up, read by a real Prometheus.

use std::fs;
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::path::Path;
use std::time::Duration;

use kafkastore::queue::history;
use kafkastore::stats::Counted;
use kafkastore::stats::sample::Kind;
use redis::Commands;
use serde_json::Value;

use crate::harness::{self, Launch, Program, free_port, package_root, unique, wait_until};
use crate::scene::{MINUTE, Scene};
use crate::slot::server;
use crate::web::Web;

const SOON: Duration = Duration::from_secs(20);
const TOKEN: &str = "Authorization: Bearer secret\r\n";

/// A queue whose lines have been delivered: 3,000 good ones and 3 bad ones.
fn worked_on() -> (Scene, Web, Program) {
    let mut scene = Scene::new(2);
    scene.push(&scene.lines(0..3_000));
    scene.push(&[b"unknown 1 a / p".to_vec(), b"1.2.3.4 x a / p".to_vec(), b"too few".to_vec()]);
    let worker = scene.worker(&[]);
    scene.wait_until_drained(MINUTE);
    let web = Web::start(&scene.variables(&[("WEB_TOKEN", "secret")]));
    wait_until(SOON, "all is counted", || metric(&web, "kafkastore_batch_lines_sum") == 3_000.0);
    (scene, web, worker)
}

/// The sum of all samples whose line begins so.
fn metric(web: &Web, name: &str) -> f64 {
    let (status, text) = web.get("/metrics", TOKEN);
    assert_eq!(status, 200);
    let of = |line: &str| line.starts_with(name).then(|| line.rsplit_once(' ')?.1.parse::<f64>().ok())?;
    text.lines().filter_map(of).sum()
}

fn promtool(arguments: &[&str], input: &str) {
    let promtool = Launch::of(Path::new("promtool"), arguments).input(input).start();
    let ended = promtool.wait(SOON);
    assert!(ended.success(), "{}{}", promtool.stdout_text(), promtool.stderr_text());
    assert_eq!(promtool.stderr_text(), "");
}

#[test]
fn metrics_are_what_was_done_and_as_prometheus_wants_them() {
    let (scene, web, _worker) = worked_on();
    let topic = format!("topic=\"{}\"", scene.topics[0]);
    let server = "kafkastore_events_total{server=";
    let (_, text) = web.get("/metrics", TOKEN);
    assert!(
        text.lines().any(|line| line.starts_with(server) && line.contains(&topic) && line.ends_with(" 1500"))
    );
    assert_eq!(metric(&web, "kafkastore_events_total"), 3_000.0);
    assert!(metric(&web, "kafkastore_event_bytes_total") > 3_000.0 * 100.0);
    assert_eq!(metric(&web, "kafkastore_rejected_lines_total"), 3.0);
    assert_eq!(metric(&web, "kafkastore_invalid_lines"), 3.0);
    assert_eq!(metric(&web, "kafkastore_lag_seconds_count"), 3_000.0);
    // Each lane sees the one user agent for a first time.
    let (hits, misses) = ("kafkastore_device_cache_hits_total", "kafkastore_device_cache_misses_total");
    assert_eq!(metric(&web, hits) + metric(&web, misses), 3_000.0);
    assert!(metric(&web, hits) > 2_900.0);
    assert_eq!(metric(&web, "kafkastore_workers"), 1.0);
    assert_eq!(metric(&web, "kafkastore_redis_up"), 1.0);
    for stage in ["read", "enrich", "deliver"] {
        assert!(text.contains(&format!("stage=\"{stage}\"")), "{stage}");
    }
    promtool(&["check", "metrics"], &text);
    promtool(&["check", "rules", "docs/monitoring/alerts.yml"], "");
    assert_eq!(web.get("/metrics", "").0, 401);
}

#[test]
fn counts_of_all_workers_are_added_up_and_outlive_them() {
    let (mut scene, web, first) = worked_on();
    let second = scene.worker(&[]);
    wait_until(SOON, "both are heard of", || metric(&web, "kafkastore_workers") == 2.0);
    scene.push(&scene.lines(3_000..5_000));
    scene.wait_until_drained(MINUTE);
    for worker in [&first, &second] {
        worker.signal(harness::Signal::TERM);
        assert!(worker.wait(SOON).success());
    }
    wait_until(SOON, "all is counted", || metric(&web, "kafkastore_batch_lines_sum") == 5_000.0);
    assert_eq!(metric(&web, "kafkastore_events_total"), 5_000.0);
    wait_until(SOON, "nobody lives", || metric(&web, "kafkastore_workers") == 0.0);

    let (_, body) = web.get("/queues", TOKEN);
    let queues: Value = serde_json::from_str(&body).unwrap();
    wait_until(SOON, "the minute's rates are told", || {
        let queues: Value = serde_json::from_str(&web.get("/queues", TOKEN).1).unwrap();
        queues[0]["rate_out"].as_f64().unwrap() > 80.0
    });
    assert_eq!(queues[0]["depth"], 0);
    assert_eq!(queues[0]["seconds_to_drain"], 0.0);
}

#[test]
fn a_real_prometheus_scrapes_it_and_understands_the_dashboard() {
    let (mut scene, web, _worker) = worked_on();
    // A line that waits has an age.
    let _: () = scene.connection.set(scene.key("paused"), 1).unwrap();
    scene.push(&scene.lines(0..1));
    let directory = std::env::temp_dir().join(unique("prometheus"));
    fs::create_dir_all(&directory).unwrap();
    let configuration = directory.join("prometheus.yml");
    let rules = package_root().join("docs/monitoring/alerts.yml");
    fs::write(
        &configuration,
        format!(
            "global: {{ scrape_interval: 1s, evaluation_interval: 1s }}\nrule_files: [{}]\nscrape_configs:\n- job_name: kafkastore\n  \
             authorization: {{ credentials: secret }}\n  static_configs: [ {{ targets: ['127.0.0.1:{}'] }} ]\n",
            rules.display(),
            web.port
        ),
    )
    .unwrap();
    let port = free_port();
    let prometheus = Launch::of(
        Path::new("prometheus"),
        &[
            &format!("--config.file={}", configuration.display()),
            &format!("--storage.tsdb.path={}", directory.display()),
            &format!("--web.listen-address=127.0.0.1:{port}"),
        ],
    )
    .start();
    let query = |expression: &str| -> Value {
        let encoded: String = form_urlencoded::byte_serialize(expression.as_bytes()).collect();
        let Ok(mut stream) = TcpStream::connect(("127.0.0.1", port)) else { return Value::Null };
        let request = format!("GET /api/v1/query?query={encoded} HTTP/1.0\r\n\r\n");
        stream.write_all(request.as_bytes()).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        serde_json::from_str(answer.split_once("\r\n\r\n").unwrap().1).unwrap_or_default()
    };
    let value =
        |expression: &str| query(expression)["data"]["result"][0]["value"][1].as_str().map(str::to_owned);
    wait_until(SOON, "it scrapes", || value("sum(kafkastore_events_total)").as_deref() == Some("3000"));
    assert_eq!(value("up").as_deref(), Some("1"));

    let dashboard = fs::read(package_root().join("docs/monitoring/grafana.json")).unwrap();
    let dashboard: Value = serde_json::from_slice(&dashboard).unwrap();
    let mut asked = 0;
    for panel in dashboard["panels"].as_array().unwrap() {
        for target in panel["targets"].as_array().unwrap() {
            let expression = target["expr"].as_str().unwrap().replace("$__rate_interval", "1m");
            // A name that is not there any more would answer with nothing.
            wait_until(SOON, &expression, || query(&expression)["data"]["result"][0].is_object());
            asked += 1;
        }
    }
    assert!(asked > 15, "{asked}");
    drop(prometheus);
    fs::remove_dir_all(&directory).unwrap();
}

/// Names come from outside, topics from a `Host` header: whatever is sent, Redis keeps so many and no longer than needed.
#[tokio::test]
async fn what_is_kept_of_names_is_bounded_and_none_is_lost_in_the_sum() {
    let url = harness::redis().fresh_database();
    let mut connection = harness::connect(&url);
    let mut link = server(&url).link();
    for round in 0..5 {
        let mut counted = Counted::default();
        for number in 0..400 {
            counted.tops.insert((Kind::Topic, format!("{round}-{number}")), 2);
        }
        history::record(&mut link, &counted).await.unwrap();
    }
    let keys: Vec<String> = connection.keys("q:stats:*:tops").unwrap();
    assert!(!keys.is_empty() && keys.len() <= 2, "{keys:?}");
    for key in &keys {
        let (names, ttl): (u64, i64) = (connection.hlen(key).unwrap(), connection.ttl(key).unwrap());
        assert!(names <= 601 && (1..=7_200).contains(&ttl), "{key}: {names} names for {ttl} s");
    }
    let (now, _): (i64, i64) = redis::cmd("TIME").query(&mut connection).unwrap();
    let names = history::names(&mut link, now).await.unwrap();
    assert_eq!(names[&Kind::Topic].values().sum::<u64>(), 4_000);
}
