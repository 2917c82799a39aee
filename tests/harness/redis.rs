//! A real `redis-server`.

use std::ffi::OsString;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use ::redis::{Client, Connection, RedisResult};
use rustix::process::Signal;
use tempfile::TempDir;

use super::certificates::Authority;
use super::supervisor::Supervised;
use super::{READY_TIMEOUT, free_port, fresh_directory, program_in_path, wait_until};

const DATABASES: u32 = 4096;

/// A `redis-server` on a port and in a directory of its own, without persistence unless the options say otherwise.
pub struct Redis {
    server: Supervised,
    port: u16,
    /// `redis://`, or `rediss://` for TLS, and the password where there is one.
    address: String,
    last_database: AtomicU32,
}

impl Redis {
    /// Starts a server and returns when it answers; `options` as on its command line (`["--maxmemory", "10mb"]`).
    pub fn start(options: &[&str]) -> Redis {
        let port = free_port();
        let directory = fresh_directory("redis");
        let port_text = port.to_string();
        let mut arguments = vec!["--port", &port_text];
        arguments.extend(options);
        Redis::run(directory, port, format!("redis://127.0.0.1:{port}"), &arguments)
    }

    /// Starts a server that speaks TLS alone, with a certificate that nobody trusts, and wants a password.
    pub fn start_tls(password: &str, options: &[&str]) -> Redis {
        let port = free_port();
        let directory = fresh_directory("redis");
        let authority = Authority::create(directory.path());
        let server = authority.issue("localhost");
        let text = |path: &PathBuf| path.to_str().expect("temporary paths are UTF-8").to_owned();
        let (certificate, key, ca) =
            (text(&server.certificate), text(&server.key), text(&authority.certificate));
        let port_text = port.to_string();
        let arguments = [
            ["--port", "0"],
            ["--tls-port", &port_text],
            ["--tls-auth-clients", "no"],
            ["--tls-cert-file", &certificate],
            ["--tls-key-file", &key],
            ["--tls-ca-cert-file", &ca],
            ["--requirepass", password],
        ];
        let address = format!("rediss://:{password}@127.0.0.1:{port}");
        Redis::run(directory, port, address, &[arguments.as_flattened(), options].concat())
    }

    fn run(directory: TempDir, port: u16, address: String, arguments: &[&str]) -> Redis {
        let databases = DATABASES.to_string();
        let defaults =
            [["--bind", "127.0.0.1"], ["--save", ""], ["--appendonly", "no"], ["--databases", &databases]];
        let mut command: Vec<OsString> = vec![program_in_path("redis-server").into()];
        command.extend(["--dir".into(), directory.path().into()]);
        command.extend(defaults.as_flattened().iter().chain(arguments).map(OsString::from));

        let server = Supervised::new("redis-server", directory, &command);
        let redis = Redis { server, port, address, last_database: AtomicU32::new(0) };
        redis.start_again();
        redis
    }

    /// Returns the address of database 0.
    pub fn url(&self) -> String {
        self.address.clone()
    }

    /// Returns the address of an empty database that no other call returns.
    pub fn fresh_database(&self) -> String {
        let database = self.last_database.fetch_add(1, Ordering::Relaxed) + 1;
        assert!(database < DATABASES, "no more than {DATABASES} databases");
        format!("{}/{database}", self.url())
    }

    pub fn port(&self) -> u16 {
        self.port
    }

    /// Returns a connection to database 0; with TLS it trusts any certificate.
    #[track_caller]
    pub fn connection(&self) -> Connection {
        connect(&self.url())
    }

    /// Starts the server after `stop` or `kill`, on the same port and in the same directory; returns when it answers.
    pub fn start_again(&self) {
        self.server.start();
        let what = format!("redis-server on port {} answers", self.port);
        wait_until(READY_TIMEOUT, &what, || {
            self.server.assert_running();
            try_connect(&self.url())
                .and_then(|mut connection| ::redis::cmd("PING").exec(&mut connection))
                .is_ok()
        });
    }

    /// Ends the server by SIGTERM, and returns when it is gone.
    pub fn stop(&self) {
        self.server.stop();
    }

    /// Ends the server by SIGKILL, and returns when it is gone.
    pub fn kill(&self) {
        self.server.kill();
    }

    /// Makes the server hang (SIGSTOP): connections stay open, nothing is answered.
    pub fn pause(&self) {
        self.server.signal(Signal::STOP);
    }

    /// Lets the server go on after `pause`.
    pub fn resume(&self) {
        self.server.signal(Signal::CONT);
    }

    pub fn process_id(&self) -> Option<i32> {
        self.server.pid().map(|pid| pid.as_raw_pid())
    }
}

/// Connects to an address such as `Redis::url` and `Redis::fresh_database` return.
#[track_caller]
pub fn connect(url: &str) -> Connection {
    try_connect(url).unwrap_or_else(|error| panic!("{url}: {error}"))
}

/// Returns how many lines no worker has reserved: those of the queue, and those that wait in a list beside it. One that comes
/// to stand there at this moment may count twice.
///
/// # Errors
/// When Redis does not answer.
pub fn waiting(connection: &mut Connection, queue: &str) -> RedisResult<u64> {
    let (queued, rest): (u64, Option<String>) =
        ::redis::pipe().llen(queue).get(format!("{queue}:rest")).query(connection)?;
    let (_, from, to) = rest.as_deref().map_or(("", 0, 0), range_of);
    Ok(queued + from - to)
}

/// Returns the range that the record of a batch ends with, or of lines that wait for one: the name of its list behind
/// `<queue>:inflight:`, and the places before and behind its lines, counted from the list's end.
#[track_caller]
pub fn range_of(record: &str) -> (&str, u64, u64) {
    let words: Vec<&str> = record.split(' ').collect();
    let [.., list, from, to] = words[..] else { panic!("no range: {record}") };
    let place = |word: &str| word.parse().unwrap_or_else(|_| panic!("no range: {record}"));
    (list, place(from), place(to))
}

fn try_connect(url: &str) -> RedisResult<Connection> {
    let address = if url.starts_with("rediss:") { format!("{url}#insecure") } else { url.to_owned() };
    let connection = Client::open(address)?.get_connection_with_timeout(Duration::from_secs(5))?;
    connection.set_read_timeout(Some(Duration::from_secs(30)))?;
    Ok(connection)
}
