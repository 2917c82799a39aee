//! The pages in a real browser: Debian's Chromium, driven by the scripts in `tests/browser`.

use std::path::Path;
use std::time::Duration;

use redis::Commands;

use crate::harness::{self, Launch, package_root};
use crate::invalid::record;
use crate::scene::{MINUTE, Scene};
use crate::web::Web;

const PASSWORD: &str = "correct horse";
const PATIENCE: Duration = Duration::from_secs(240);

/// Runs a script, which fails where a page is not as it should be.
#[allow(clippy::disallowed_methods, reason = "whoever wants pictures says where they go")]
fn browse(script: &str, web: &Web) {
    let base = format!("http://localhost:{}", web.port);
    let mut variables = vec![("BASE", base.as_str()), ("PASSWORD", PASSWORD)];
    let pictures = std::env::var("SCREENSHOTS").unwrap_or_default();
    if !pictures.is_empty() {
        variables.push(("SCREENSHOTS", &pictures));
    }
    let browser = Launch::of(Path::new("node"), &[script])
        .directory(&package_root().join("tests/browser"))
        .variables(&variables)
        .start();
    let ended = browser.wait(PATIENCE);
    assert!(ended.success(), "{}{}", browser.stdout_text(), browser.stderr_text());
}

#[test]
fn the_overview_moves_while_a_worker_delivers() {
    let mut scene = Scene::new(2);
    let worker = scene.worker(&[]);
    let web = Web::start(&scene.variables(&[("WEB_PASSWORD", PASSWORD)]));
    scene.push(&scene.lines(0..500));
    let hostile = format!(
        "8.8.8.8 1465287056 {} /<script>window.hacked=1</script> <img/src=x/onerror=window.hacked=1> a\"><script>window.hacked=1</script>",
        scene.topics[0]
    );
    std::thread::scope(|threads| {
        let browsing = threads.spawn(|| browse("overview.mjs", &web));
        let mut next = 500;
        while !browsing.is_finished() {
            scene.push(&scene.lines(next..next + 20));
            scene.push(&vec![hostile.clone().into_bytes(); 20]);
            next += 20;
            std::thread::sleep(Duration::from_millis(500));
        }
        browsing.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic));
    });
    scene.wait_until_drained(MINUTE);
    drop(worker);
}

#[test]
fn bad_lines_are_shown_harmlessly_mended_replayed_and_cleared() {
    let url = harness::redis().fresh_database();
    let mut connection = harness::connect(&url);
    let bad = [
        ("ip", "unknown 1465287056 inapp /t/apo a=4 Mozilla/5.0 (Windows NT 10.0; Win64; x64)"),
        (
            "ip",
            "<script>window.hacked=1</script> 1465287056 clicks /t/click p \"><img src=x onerror=window.hacked=1>",
        ),
        ("ip", "1.2.3 1465287056 clicks /t/click p curl/7"),
        ("path", "139.69.223.180 1465287056 inapp  p Mozilla/5.0 (iPhone; CPU iPhone OS 9_3 like Mac OS X)"),
        ("topic", "188.123.64.228 1465287056 a/b /t/apo \u{202e}a=18b curl/7"),
        ("fields", "only two"),
    ];
    for (reason, line) in bad {
        let _: u64 = connection.rpush("click_invalid", record(reason, line)).unwrap();
    }
    browse("badclicks.mjs", &Web::start(&[("REDIS_URL", &url), ("WEB_PASSWORD", PASSWORD)]));
    let replayed: Vec<String> = connection.lrange("click_queue", 0, -1).unwrap();
    assert_eq!(replayed.len(), 3, "{replayed:?}");
    assert_eq!(replayed[0], bad[2].1.replace("1.2.3", "8.8.8.8"));
}

#[test]
fn a_line_is_explained_and_strangers_are_turned_away() {
    let url = harness::redis().fresh_database();
    browse("explain.mjs", &Web::start(&[("REDIS_URL", &url), ("WEB_PASSWORD", PASSWORD)]));
}
