//! What was measured with: versions and the machine, without its name.

use std::fs;
use std::process::Command;

use crate::harness::package_root;
use crate::servers::Servers;

/// Returns a line of a Markdown list for each.
pub fn described(servers: &mut Servers) -> String {
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let memory = field("/proc/meminfo", "MemTotal");
    let kilobytes: f64 = memory.trim_end_matches(" kB").parse().expect("a number");
    let gibibytes = kilobytes / 1024.0 / 1024.0;
    let processor = field("/proc/cpuinfo", "model name");
    let librdkafka = rdkafka::util::get_rdkafka_version().1;
    format!(
        "- kafkastore {}, librdkafka {librdkafka}, {}\n\
         - Redis {}, without persistence\n\
         - Apache Kafka {}, one broker, {}\n\
         - {processor}, {cores} cores for everything, {gibibytes:.0} GiB, Linux {}\n",
        env!("CARGO_PKG_VERSION"),
        first_line(Command::new("rustc").arg("--version")),
        redis_version(servers),
        kafka_version(),
        // It says so on standard error.
        first_line(Command::new("sh").args(["-c", "java -version 2>&1"])).replace('"', ""),
        fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default().trim(),
    )
}

/// The first field of that name in a file of `name : value` lines.
fn field(file: &str, name: &str) -> String {
    let text = fs::read_to_string(file).expect("linux has it");
    let value = text.lines().find_map(|line| line.strip_prefix(name)?.trim_start().strip_prefix(':'));
    value.map_or("unknown", str::trim).to_owned()
}

fn first_line(command: &mut Command) -> String {
    let output = command.output().expect("the program was needed before");
    String::from_utf8_lossy(&output.stdout).lines().next().unwrap_or_default().to_owned()
}

fn redis_version(servers: &mut Servers) -> String {
    let connection = &mut servers.connections()[0];
    let text: String = redis::cmd("INFO").arg("server").query(connection).expect("redis answers");
    let version = text.lines().find_map(|line| line.strip_prefix("redis_version:"));
    version.unwrap_or("unknown").trim().to_owned()
}

/// From the name of its jar: `kafka_2.13-4.3.1.jar`.
fn kafka_version() -> String {
    let jars = fs::read_dir(package_root().join("target/kafka/libs")).expect("the broker runs from there");
    let mut names = jars.flatten().map(|jar| jar.file_name().to_string_lossy().into_owned());
    let name = names.find(|name| name.starts_with("kafka_2"));
    let version = name.as_deref().and_then(|name| name.strip_suffix(".jar")?.split_once('-'));
    version.map_or("unknown", |(_, version)| version).to_owned()
}
