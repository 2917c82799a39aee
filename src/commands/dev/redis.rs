//! A `redis-server` of our own, on a free port and in a temporary directory. It never outlives us, however we end.

use std::net::TcpListener;
use std::process::Stdio;
use std::time::Duration;

use tokio::io::AsyncReadExt as _;
use tokio::process::{Child, Command};
use tokio::time::Instant;

use crate::commands::Failure;

/// `read` meets the end of its input when we are gone, and even SIGKILL cannot keep that from happening.
const SUPERVISOR: &str = r#"
directory=$1
shift
"$@" >"$directory/log" 2>&1 </dev/null &
read -r _
kill "$!" 2>/dev/null
wait
rm -rf "$directory"
"#;
const READY_TIMEOUT: Duration = Duration::from_secs(4);
const END_TIMEOUT: Duration = Duration::from_secs(3);
const LOOK: Duration = Duration::from_millis(20);
/// Another program may be quicker to take a port that was free just now.
const ATTEMPTS: usize = 3;

pub(super) struct ChildRedis {
    supervisor: Child,
    url: String,
}

impl ChildRedis {
    /// Starts it and returns once it answers.
    ///
    /// # Errors
    /// When it is not installed, or does not start.
    pub async fn start() -> Result<Self, Failure> {
        if let Err(error) = Command::new("redis-server").arg("--version").output().await {
            return Err(Failure::Unavailable(format!(
                "redis-server cannot be started ({error}): install it (apt-get install redis-server), or set REDIS_URL"
            )));
        }
        let mut trouble = String::new();
        for _ in 0..ATTEMPTS {
            match Self::attempt().await {
                Ok(child) => return Ok(child),
                Err(error) => trouble = error.to_string(),
            }
        }
        Err(Failure::Unavailable(format!("redis-server does not start: {trouble}")))
    }

    async fn attempt() -> std::io::Result<Self> {
        let port = TcpListener::bind(("127.0.0.1", 0))?.local_addr()?.port();
        let directory = tempfile::Builder::new().prefix("kafkastore-dev-").tempdir()?.keep();
        let socket = directory.join("socket");
        let supervisor = Command::new("sh")
            .args(["-c", SUPERVISOR, "sh"])
            .arg(&directory)
            .args(["redis-server", "--port", &port.to_string(), "--bind", "127.0.0.1"])
            .args(["--save", "", "--appendonly", "no", "--dir"])
            .arg(&directory)
            .arg("--unixsocket")
            .arg(&socket)
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            // Ctrl-C is for us: the worker still needs its Redis when it stops.
            .process_group(0)
            .spawn()?;
        let child = Self { supervisor, url: format!("redis://127.0.0.1:{port}") };
        let deadline = Instant::now() + READY_TIMEOUT;
        // The socket is in a directory of ours: nobody else can answer there.
        while !answers(&socket).await {
            if Instant::now() >= deadline {
                let log = std::fs::read_to_string(directory.join("log")).unwrap_or_default();
                let last = log.lines().rev().find(|line| line.contains('#')).unwrap_or("it does not answer");
                let error = std::io::Error::other(last.to_owned());
                child.end().await;
                return Err(error);
            }
            tokio::time::sleep(LOOK).await;
        }
        Ok(child)
    }

    pub fn url(&self) -> &str {
        &self.url
    }

    /// Ends it and removes its directory.
    pub async fn end(mut self) {
        drop(self.supervisor.stdin.take());
        match tokio::time::timeout(END_TIMEOUT, self.supervisor.wait()).await {
            Ok(Ok(_)) => {}
            Ok(Err(error)) => tracing::warn!(%error, "redis-server ended badly"),
            Err(_) => tracing::warn!("redis-server takes long to end"),
        }
    }
}

async fn answers(socket: &std::path::Path) -> bool {
    use tokio::io::AsyncWriteExt as _;
    let asked = async {
        let mut stream = tokio::net::UnixStream::connect(socket).await?;
        stream.write_all(b"PING\r\n").await?;
        let mut answer = [0; 7];
        stream.read_exact(&mut answer).await?;
        Ok::<bool, std::io::Error>(&answer == b"+PONG\r\n")
    };
    matches!(tokio::time::timeout(Duration::from_secs(1), asked).await, Ok(Ok(true)))
}
