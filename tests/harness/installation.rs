//! The broker's jars, prepared so that a broker starts in two seconds and not in five.
//!
//! `bin/setup` lays the jars into `target/kafka/libs`, and those of the former release into `target/kafka-former/libs`. What is made here lies beside them: an archive of the classes that a
//! broker loads (AppCDS), and a formatted log directory to copy, each made once by whichever test process comes first.

use std::ffi::OsString;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use super::server_properties::minimal_properties;
use super::supervisor::Supervised;
use super::{free_port, fresh_directory, package_root, program_in_path};

/// Flags for a quick start: the short-lived broker of a test never warms up.
pub const FAST_FLAGS: [&str; 4] = ["-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC", "-Xmx512m", "-Xshare:auto"];
/// Flags for a steady one, as benchmarks need it.
pub const BENCHMARK_FLAGS: [&str; 3] = ["-Xms512m", "-Xmx512m", "-XX:+UseG1GC"];

/// Any 16 bytes in base64url; brokers that never meet may all have the same.
const CLUSTER_ID: &str = "a2Fma2FzdG9yZS10ZXN0cw";

/// Which Apache Kafka.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Release {
    #[default]
    Current,
    /// 3.9, the last that answers clients of 2016.
    Former,
}

/// What starting a broker needs.
pub struct Installation {
    java: PathBuf,
    classpath: OsString,
    archive: PathBuf,
    formatted: PathBuf,
}

impl Installation {
    /// Returns the one installation of a release, prepared.
    pub fn get(release: Release) -> &'static Installation {
        static CURRENT: OnceLock<Installation> = OnceLock::new();
        static FORMER: OnceLock<Installation> = OnceLock::new();
        match release {
            Release::Current => CURRENT.get_or_init(|| Installation::prepare("target/kafka")),
            Release::Former => FORMER.get_or_init(|| Installation::prepare("target/kafka-former")),
        }
    }

    fn prepare(home: &str) -> Installation {
        let home = package_root().join(home);
        let libs = home.join("libs");
        assert!(libs.is_dir(), "{} is not there: run bin/test, which gets the Kafka broker", libs.display());
        let installation = Installation {
            java: program_in_path("java"),
            classpath: libs.join("*").into(),
            archive: home.join("broker.jsa"),
            formatted: home.join("formatted"),
        };
        // Held until the end of the function; the system lets go of it if this process dies.
        let lock = File::create(home.join("lock")).expect("target can be written");
        lock.lock().expect("file locks work here");
        if !installation.formatted.exists() {
            installation.format();
        }
        if !installation.archive.exists() {
            installation.make_archive();
        }
        installation
    }

    /// Returns the command that runs a broker with `configuration`.
    pub fn broker_command(&self, configuration: &Path, fast: bool) -> Vec<OsString> {
        let mut flags: Vec<OsString> = Vec::new();
        if fast {
            flags.extend(FAST_FLAGS.map(OsString::from));
            flags.push(joined("-XX:SharedArchiveFile=", &self.archive));
        } else {
            flags.extend(BENCHMARK_FLAGS.map(OsString::from));
        }
        self.command(&flags, "kafka.Kafka", &[configuration.into()])
    }

    /// Returns the command that runs a broker quickly and in less memory, as one of several does.
    pub fn small_broker_command(&self, configuration: &Path) -> Vec<OsString> {
        let mut flags: Vec<OsString> = FAST_FLAGS.map(OsString::from).into();
        flags.push(joined("-XX:SharedArchiveFile=", &self.archive));
        // Of two flags with the same name the later one counts.
        flags.push("-Xmx384m".into());
        self.command(&flags, "kafka.Kafka", &[configuration.into()])
    }

    /// Makes `log_directory` a formatted one.
    pub fn copy_formatted(&self, log_directory: &Path) {
        fs::create_dir(log_directory).expect("the directory is new");
        for entry in fs::read_dir(&self.formatted).expect("it was made by `format`") {
            let file = entry.expect("it can be listed").path();
            let name = file.file_name().expect("a listed file has a name");
            fs::copy(&file, log_directory.join(name)).expect("a file can be copied");
        }
    }

    /// Makes `log_directory` a formatted one of another node.
    pub fn copy_formatted_for(&self, log_directory: &Path, node: usize) {
        self.copy_formatted(log_directory);
        let file = log_directory.join("meta.properties");
        let properties = fs::read_to_string(&file).expect("it was just copied");
        let own = properties.lines().map(|line| match line.split_once('=') {
            Some(("node.id", _)) => format!("node.id={node}\n"),
            // 16 bytes in base64url; a cluster takes no two brokers with the same.
            Some(("directory.id", _)) => format!("directory.id=a2Fma2FzdG9yZS1ub2Rl{node}A\n"),
            _ => format!("{line}\n"),
        });
        fs::write(&file, own.collect::<String>()).expect("the directory is ours");
    }

    fn command(&self, flags: &[OsString], main_class: &str, arguments: &[OsString]) -> Vec<OsString> {
        let logging = package_root().join("tests/kafka/log4j2.properties");
        let mut command: Vec<OsString> = vec![self.java.clone().into()];
        command.extend_from_slice(flags);
        command.push(joined("-Dlog4j2.configurationFile=", &logging));
        command.extend(["-cp".into(), self.classpath.clone(), main_class.into()]);
        command.extend_from_slice(arguments);
        command
    }

    fn format(&self) {
        let directory = self.formatted.with_extension("unfinished");
        // There may be one that was never finished.
        if directory.exists() {
            fs::remove_dir_all(&directory).expect("target can be written");
        }
        fs::create_dir(&directory).expect("target can be written");
        let logs = directory.join("logs");
        let configuration = directory.join("server.properties");
        fs::write(&configuration, minimal_properties(&logs, 9092, 9093)).expect("the directory is ours");

        let arguments = ["format", "-t", CLUSTER_ID, "-c"].map(OsString::from);
        let arguments = [&arguments[..], &[configuration.into()]].concat();
        let command = self.command(&FAST_FLAGS.map(OsString::from), "kafka.tools.StorageTool", &arguments);
        let output = Command::new(&command[0]).args(&command[1..]).output().expect("java was found");
        assert!(output.status.success(), "formatting failed: {}", String::from_utf8_lossy(&output.stdout));

        fs::rename(&logs, &self.formatted).expect("both are in the same directory");
        fs::remove_dir_all(&directory).expect("the directory is ours");
    }

    /// Runs a broker once and lets it write down, as it ends, which classes it has loaded.
    fn make_archive(&self) {
        let directory = fresh_directory("kafka-archive");
        let logs = directory.path().join("logs");
        self.copy_formatted(&logs);
        let (port, controller_port) = (free_port(), free_port());
        let configuration = directory.path().join("server.properties");
        fs::write(&configuration, minimal_properties(&logs, port, controller_port))
            .expect("the directory is ours");

        let unfinished = self.archive.with_extension("unfinished");
        let mut flags: Vec<OsString> = FAST_FLAGS.map(OsString::from).into();
        flags.push(joined("-XX:ArchiveClassesAtExit=", &unfinished));
        let command = self.command(&flags, "kafka.Kafka", &[configuration.into()]);
        let broker = Supervised::new("kafka", directory, &command);
        broker.start();
        super::kafka::wait_until_ready(&broker, port);
        broker.stop();
        fs::rename(&unfinished, &self.archive).expect("java has written the archive");
    }
}

fn joined(option: &str, path: &Path) -> OsString {
    let mut argument = OsString::from(option);
    argument.push(path);
    argument
}
