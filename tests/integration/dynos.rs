//! What Heroku asks of an app, and does with its processes: it wants the port soon, ends all with SIGTERM, perhaps twice, and starts the new ones
//! before the old ones have gone.

use std::net::TcpStream;
use std::path::Path;
use std::time::{Duration, Instant};

use crate::harness::{self, Launch, Program, Redis, Signal, wait_until};
use crate::scene::{MINUTE, Scene};
use crate::web::Web;

/// Then comes SIGKILL.
const GRACE: Duration = Duration::from_secs(30);
const MEMORY: u64 = 512 * 1024 * 1024;

fn end(programs: [&Program; 2]) {
    for _ in 0..2 {
        for program in programs {
            if program.is_running() {
                program.signal(Signal::TERM);
            }
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    for program in programs {
        assert!(program.wait(GRACE).success());
    }
}

#[test]
fn at_a_deploy_old_and_new_get_along_and_the_old_ones_end_in_time() {
    let mut scene = Scene::new(2);
    let set = [("SHUTDOWN_TIMEOUT", "20")];
    let mut running = (scene.worker(&set), Web::start(&scene.variables(&[])));
    let mut pushed = 0;
    for _ in 0..3 {
        scene.push(&scene.lines(pushed..pushed + 30_000));
        pushed += 30_000;
        let new = (scene.worker(&set), Web::start(&scene.variables(&[])));
        wait_until(MINUTE, "it is in mid-run", || scene.delivered() > pushed - 30_000);
        let worker_memory = running.0.usage().peak_resident;
        assert!(worker_memory < MEMORY / 4, "{worker_memory}");
        end([&running.0, &running.1.program]);
        running = new;
    }
    scene.wait_until_drained(MINUTE);
    scene.arrived().assert_each_once(0..pushed);
    assert_eq!(running.1.status("/health"), 200);
}

/// Whatever else is away: what does not bind `PORT` within a minute is taken for broken.
#[test]
fn the_port_is_bound_at_once() {
    let redis = Redis::start(&[]);
    redis.pause();
    let port = harness::free_port().to_string();
    let started_at = Instant::now();
    let _web = Program::start(&["web"], &[("PORT", &port), ("REDIS_URL", &redis.url())]);
    wait_until(Duration::from_secs(5), "the port is bound", || {
        TcpStream::connect(format!("127.0.0.1:{port}")).is_ok()
    });
    assert!(started_at.elapsed() < Duration::from_secs(2), "{:?}", started_at.elapsed());
    redis.resume();
}

/// By the schema that Heroku publishes.
#[test]
fn app_json_is_as_heroku_wants_it() {
    let validator = ["-m", "jsonschema", "--instance", "app.json", "target/heroku/app-json.schema.json"];
    let validator = Launch::of(Path::new("python3"), &validator).start();
    assert!(validator.wait(MINUTE).success(), "{}{}", validator.stdout_text(), validator.stderr_text());
}
