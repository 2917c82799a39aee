//! A server process that never outlives the test process, whether that returns, panics or is killed.

use std::ffi::OsString;
use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::Mutex;

use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

use super::lock;

/// A server in a directory of its own, run by `supervisor.sh`; both end when this value is dropped or the test process dies.
pub struct Supervised {
    name: &'static str,
    directory: PathBuf,
    shell: Mutex<Shell>,
}

struct Shell {
    child: Child,
    orders: Option<ChildStdin>,
    answers: BufReader<ChildStdout>,
    server: Option<Pid>,
}

impl Supervised {
    /// Makes ready to run `command`; `start` runs it. The directory is removed in the end by the supervisor, even if this
    /// process is killed.
    pub fn new(name: &'static str, directory: TempDir, command: &[OsString]) -> Supervised {
        let mut child = Command::new("sh")
            .args(["-c", include_str!("supervisor.sh"), "supervisor"])
            .arg(directory.path())
            .args(command)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            // Ctrl-C goes to the test process alone; what it leaves is cleaned up as after any other end.
            .process_group(0)
            .spawn()
            .expect("sh is everywhere");
        let directory = directory.keep();
        let orders = child.stdin.take();
        let answers = BufReader::new(child.stdout.take().expect("standard output was asked for"));
        let shell = Mutex::new(Shell { child, orders, answers, server: None });
        Supervised { name, directory, shell }
    }

    pub fn directory(&self) -> &Path {
        &self.directory
    }

    /// Starts the server with the same command as ever; it may take a while to be ready.
    #[track_caller]
    pub fn start(&self) {
        let mut shell = lock(&self.shell);
        assert!(shell.server.is_none(), "{} runs already", self.name);
        let answer = shell.order("start");
        shell.server = Pid::from_raw(answer);
    }

    /// Ends the server by SIGTERM, and returns when it is gone.
    #[track_caller]
    pub fn stop(&self) {
        // A server that was paused has to run to see it.
        self.end(&[Signal::TERM, Signal::CONT]);
    }

    /// Ends the server by SIGKILL, and returns when it is gone.
    #[track_caller]
    pub fn kill(&self) {
        self.end(&[Signal::KILL]);
    }

    #[track_caller]
    pub fn signal(&self, signal: Signal) {
        let shell = lock(&self.shell);
        let pid = shell.server.unwrap_or_else(|| panic!("{} does not run", self.name));
        kill_process(pid, signal).expect("the supervisor keeps the process id until it is told to reap");
    }

    /// Returns the server's process id, or nothing between `stop` and the next `start`.
    pub fn pid(&self) -> Option<Pid> {
        lock(&self.shell).server
    }

    /// Panics with the end of the server's log if it has ended by itself.
    #[track_caller]
    pub fn assert_running(&self) {
        let alive = self.pid().is_some_and(|pid| !is_zombie(pid));
        assert!(alive, "{} has ended; its log:\n{}", self.name, self.log_tail());
    }

    /// Returns the last lines that the server has written.
    pub fn log_tail(&self) -> String {
        let log = fs::read(self.directory.join("log")).unwrap_or_default();
        let text = String::from_utf8_lossy(&log);
        let lines: Vec<&str> = text.lines().collect();
        lines[lines.len().saturating_sub(40)..].join("\n")
    }

    #[track_caller]
    fn end(&self, signals: &[Signal]) {
        for signal in signals {
            self.signal(*signal);
        }
        let mut shell = lock(&self.shell);
        shell.order("reap");
        shell.server = None;
    }
}

impl Drop for Supervised {
    fn drop(&mut self) {
        let mut shell = lock(&self.shell);
        drop(shell.orders.take());
        shell.child.wait().expect("the supervisor is our child");
    }
}

impl Shell {
    #[track_caller]
    fn order(&mut self, order: &str) -> i32 {
        let orders = self.orders.as_mut().expect("orders end with the value only");
        writeln!(orders, "{order}").expect("the supervisor waits for orders");
        let mut answer = String::new();
        self.answers.read_line(&mut answer).expect("the supervisor answers");
        answer.trim().parse().expect("the supervisor answers with a number")
    }
}

fn is_zombie(pid: Pid) -> bool {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    // The state follows the name, which is in parentheses and may hold anything.
    stat.rsplit_once(") ").is_none_or(|(_, rest)| rest.starts_with('Z'))
}
