//! The real servers and the real program, as tests and benchmarks use them.
//!
//! - `program`: runs the built binary, collects what it writes, measures it
//! - `redis`: a `redis-server` of the test's own, or one shared by all
//! - `kafka`: the same for an Apache Kafka broker
//! - `cluster`: several brokers, or one, that clients also reach by way of a proxy
//! - `reader`: reads topics back, and counts
//! - `acl`: says what a user of a broker may do
//! - `certificates`: an authority, and certificates signed by it
//!
//! and behind them
//!
//! - `admin`: makes and deletes topics
//! - `installation`: the broker's jars, prepared so that it starts quickly
//! - `server_properties`: the broker's settings
//! - `output`: what a program writes, line by line
//! - `supervisor`: a server process that never outlives the test process
//!
//! Use it with `#[path = "../harness/mod.rs"] mod harness;`. Where something is missing the harness panics, it never skips.
#![allow(dead_code, unused_imports, reason = "no single test target uses all of it")]
#![allow(clippy::disallowed_methods, reason = "tests ask their own environment where things are")]

mod acl;
mod admin;
mod certificates;
mod cluster;
mod installation;
mod kafka;
mod output;
mod program;
mod reader;
mod redis;
mod server_properties;
mod supervisor;

use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU16, Ordering};
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use tempfile::TempDir;

pub use acl::{Operation, Resource};
pub use certificates::{Authority, Certificate};
pub use cluster::{Cluster, Listener};
pub use installation::Release;
pub use kafka::{Kafka, KafkaOptions, client_config};
pub use program::{Launch, Program, Signal, Usage};
pub use reader::{Received, end_offsets, read_all, read_each, wait_until_committed};
pub use redis::{Redis, connect, range_of, waiting};

/// How long a server may take to become ready on a busy machine.
const READY_TIMEOUT: Duration = Duration::from_secs(180);

/// Returns the Redis that all tests of this process share; each uses a database of its own (`Redis::fresh_database`).
pub fn redis() -> &'static Redis {
    static SHARED: OnceLock<Redis> = OnceLock::new();
    SHARED.get_or_init(|| Redis::start(&[]))
}

/// Returns the broker that all tests of this process share; each uses topics of its own.
pub fn kafka() -> &'static Kafka {
    static SHARED: OnceLock<Kafka> = OnceLock::new();
    SHARED.get_or_init(|| Kafka::start(KafkaOptions::default()))
}

/// Returns a name that no other call of this process returns, legal as a topic and as a queue.
pub fn unique(stem: &str) -> String {
    static LAST: AtomicU16 = AtomicU16::new(0);
    format!("{stem}-{}", LAST.fetch_add(1, Ordering::Relaxed) + 1)
}

/// Looks every 20 ms until `condition` holds; panics with `what` after `timeout`.
#[track_caller]
pub fn wait_until(timeout: Duration, what: &str, mut condition: impl FnMut() -> bool) {
    let deadline = Instant::now() + timeout;
    while !condition() {
        assert!(Instant::now() < deadline, "not within {timeout:?}: {what}");
        thread::sleep(Duration::from_millis(20));
    }
}

/// Returns the root of the package, where `Cargo.toml` is.
pub fn package_root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Locks; a test that panicked while it held the lock must not hide its reason behind a second panic.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Returns a new directory for a server.
fn fresh_directory(name: &str) -> TempDir {
    let prefix = format!("kafkastore-test-{name}-");
    tempfile::Builder::new().prefix(&prefix).tempdir().expect("the temporary directory can be written")
}

/// Returns where `name` is installed.
fn program_in_path(name: &str) -> PathBuf {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path)
        .map(|directory| directory.join(name))
        .find(|file| file.is_file())
        .unwrap_or_else(|| {
            panic!("{name} is not installed: run bin/test, which installs what the tests need")
        })
}

/// Returns a port of 127.0.0.1 on which nobody listens.
///
/// It lies below the range from which outgoing connections get theirs: else a client that tries again and again to reach
/// a stopped server can take its port, or even connect to itself.
pub fn free_port() -> u16 {
    const FIRST: u16 = 10_000;
    const COUNT: u16 = 20_000;
    static NEXT: OnceLock<AtomicU16> = OnceLock::new();
    // Test processes that run side by side begin at different places.
    let next = NEXT.get_or_init(|| AtomicU16::new((std::process::id() * 97 % u32::from(COUNT)) as u16));
    for _ in 0..COUNT {
        let port = FIRST + next.fetch_add(1, Ordering::Relaxed) % COUNT;
        if TcpListener::bind(("127.0.0.1", port)).is_ok() {
            return port;
        }
    }
    panic!("no free port between {FIRST} and {}", FIRST + COUNT);
}
