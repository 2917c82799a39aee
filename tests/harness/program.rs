//! The real program, run as a process of its own.

use std::fs;
use std::io::Write;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Pid, kill_process, kill_process_group};

pub use rustix::process::Signal;

use super::output::{Output, Stream};
use super::{lock, package_root};

/// What to run: `Launch::new(&["enrich"]).input(b"...").start()`.
pub struct Launch {
    command: Command,
    input: Option<Vec<u8>>,
}

impl Launch {
    /// The built `kafkastore` in the package's root, with an environment of only `PATH` and `HOME`, and nothing to read.
    pub fn new(arguments: &[&str]) -> Launch {
        Launch::of(Path::new(env!("CARGO_BIN_EXE_kafkastore")), arguments)
    }

    /// Another program, run the same way.
    pub fn of(executable: &Path, arguments: &[&str]) -> Launch {
        let mut command = Command::new(executable);
        command.args(arguments).current_dir(package_root()).env_clear();
        for name in ["PATH", "HOME"] {
            if let Some(value) = std::env::var_os(name) {
                command.env(name, value);
            }
        }
        Launch { command, input: None }
    }

    pub fn variables(mut self, variables: &[(&str, &str)]) -> Launch {
        self.command.envs(variables.iter().copied());
        self
    }

    pub fn directory(mut self, directory: &Path) -> Launch {
        self.command.current_dir(directory);
        self
    }

    /// What the program reads on standard input.
    pub fn input(mut self, input: impl Into<Vec<u8>>) -> Launch {
        self.input = Some(input.into());
        self
    }

    pub fn start(self) -> Program {
        Program::run(self)
    }
}

/// A running program; dropping it kills it and every process of its group, and so does the end of the test process.
pub struct Program {
    child: Mutex<Child>,
    pid: Pid,
    guardian: Mutex<Child>,
    output: Arc<Output>,
}

/// What the program has used of the machine so far.
#[derive(Clone, Copy, Debug)]
pub struct Usage {
    /// Time on all cores together, in user and in kernel mode.
    pub cpu: Duration,
    /// Bytes of memory now.
    pub resident: u64,
    /// The most bytes of memory so far.
    pub peak_resident: u64,
    /// Bytes of memory now without pages of files, which the system shares and can take back.
    pub unshared: u64,
}

impl Program {
    /// Runs `kafkastore` with these arguments and, besides `PATH` and `HOME`, only these variables.
    pub fn start(arguments: &[&str], variables: &[(&str, &str)]) -> Program {
        Launch::new(arguments).variables(variables).start()
    }

    fn run(launch: Launch) -> Program {
        let Launch { mut command, input } = launch;
        let stdin = if input.is_some() { Stdio::piped() } else { Stdio::null() };
        // In a process group of its own, so that what it starts can be killed with it.
        command.stdin(stdin).stdout(Stdio::piped()).stderr(Stdio::piped()).process_group(0);
        let mut child = command.spawn().unwrap_or_else(|error| panic!("{command:?}: {error}"));
        let pid = Pid::from_child(&child);
        let guardian = Mutex::new(guard(pid));

        if let (Some(mut stdin), Some(input)) = (child.stdin.take(), input) {
            // A program that ends without reading everything breaks the pipe; what it wrote tells the test more.
            thread::spawn(move || stdin.write_all(&input).is_ok());
        }
        let output = Arc::new(Output::default());
        output.collect(Stream::Out, child.stdout.take().expect("standard output was asked for"));
        output.collect(Stream::Error, child.stderr.take().expect("standard error was asked for"));
        Program { child: Mutex::new(child), pid, guardian, output }
    }

    pub fn process_id(&self) -> i32 {
        self.pid.as_raw_pid()
    }

    #[track_caller]
    pub fn signal(&self, signal: Signal) {
        assert!(self.is_running(), "the program has ended already{}", self.tail());
        kill_process(self.pid, signal).expect("it is our child");
    }

    /// Kills the program (SIGKILL), and returns when it is gone.
    #[track_caller]
    pub fn kill(&self) {
        self.signal(Signal::KILL);
        self.wait(Duration::from_secs(10));
    }

    pub fn is_running(&self) -> bool {
        self.try_wait().is_none()
    }

    /// Waits until the program has ended and its output is complete; panics with the output after `timeout`.
    #[track_caller]
    pub fn wait(&self, timeout: Duration) -> ExitStatus {
        let deadline = Instant::now() + timeout;
        loop {
            if let Some(status) = self.try_wait() {
                self.output.wait_for_end(Duration::from_secs(2));
                return status;
            }
            assert!(Instant::now() < deadline, "the program has not ended within {timeout:?}{}", self.tail());
            thread::sleep(Duration::from_millis(5));
        }
    }

    /// Returns the first line of either stream that contains `pattern`, waiting for it; panics with the output otherwise.
    #[track_caller]
    pub fn wait_for_line(&self, pattern: &str, timeout: Duration) -> String {
        let found = self.output.find_line(pattern, timeout);
        found.unwrap_or_else(|| panic!("no line with {pattern:?} within {timeout:?}{}", self.tail()))
    }

    pub fn stdout_text(&self) -> String {
        self.output.text(Stream::Out)
    }

    pub fn stderr_text(&self) -> String {
        self.output.text(Stream::Error)
    }

    /// Returns what the running program has used; panics when it has ended.
    #[track_caller]
    pub fn usage(&self) -> Usage {
        assert!(self.is_running(), "the program has ended already{}", self.tail());
        Usage::of(self.process_id())
    }

    pub fn cpu_time(&self) -> Duration {
        self.usage().cpu
    }

    fn try_wait(&self) -> Option<ExitStatus> {
        let status = lock(&self.child).try_wait().expect("it is our child");
        if status.is_some() {
            // From now on the process id may become another's.
            end(&mut lock(&self.guardian));
        }
        status
    }

    fn tail(&self) -> String {
        self.output.tail()
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        if thread::panicking() {
            eprintln!("the program of the failed test{}", self.tail());
        }
        // What it has started may be there still when it is not; that all are gone is no error. Nor may a drop panic.
        kill_process_group(self.pid, Signal::KILL).ok();
        lock(&self.child).wait().ok();
        end(&mut lock(&self.guardian));
    }
}

impl Usage {
    /// Returns the usage of any process, such as that of a server.
    #[track_caller]
    pub fn of(process_id: i32) -> Usage {
        /// In `/proc`, time is counted in hundredths of a second whatever the kernel's own clock.
        const TICK: Duration = Duration::from_millis(10);
        let read = |name: &str| {
            let file = format!("/proc/{process_id}/{name}");
            fs::read_to_string(&file).unwrap_or_else(|error| panic!("{file}: {error}"))
        };
        let stat = read("stat");
        let (_, after_name) = stat.rsplit_once(") ").expect("the name is in parentheses");
        let ticks =
            after_name.split(' ').skip(11).take(2).map(|field| field.parse::<u32>().expect("a number"));
        let status = read("status");
        let kilobytes = |name: &str| {
            let line = status.lines().find_map(|line| line.strip_prefix(name)).expect("each process has one");
            line.trim_matches([':', '\t', ' ', 'k', 'B']).parse::<u64>().expect("a number")
        };
        Usage {
            cpu: TICK * ticks.sum::<u32>(),
            resident: kilobytes("VmRSS") * 1024,
            peak_resident: kilobytes("VmHWM") * 1024,
            unshared: (kilobytes("RssAnon") + kilobytes("RssShmem")) * 1024,
        }
    }
}

/// Starts a shell that kills the process group `pid` when this process is gone.
fn guard(pid: Pid) -> Child {
    Command::new("sh")
        .args(["-c", "read -r never; kill -s KILL -- \"-$1\"", "guardian", &pid.to_string()])
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .process_group(0)
        .spawn()
        .expect("sh is everywhere")
}

/// Ends the guardian; twice does nothing.
fn end(guardian: &mut Child) {
    guardian.kill().ok();
    guardian.wait().ok();
}
