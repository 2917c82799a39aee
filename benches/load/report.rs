//! What a run leaves in docs/bench.

use std::fs;
use std::path::PathBuf;

use crate::harness::package_root;
use crate::latency::Latency;
use crate::machine;
use crate::scaling::Group;
use crate::servers::Servers;
use crate::targets::targets;
use crate::throughput::Throughput;
use crate::{figures, tables};

/// How the figures are to be read.
const THROUGHPUT_NOTES: &str = "\
A bare copy pops a batch and produces it, nothing else: it loses what it has popped when it dies. It has the worker's
settings of librdkafka and is the limit, with one loop or two, whichever is faster here. All take turns on the same
lines, and no one always follows the same other. Medians over the rounds; ratios are taken within a round, and behind a
median stands its 95 % interval (by order statistics: of 15 rounds, the 4th and the 12th value). Time and CPU time are
from the lines' appearance in Redis to the acknowledgement of the last, without the start of the programs. Peak RSS is
the highest of all rounds; shared pages are those of files, here the program and the database of countries.
";
const LATENCY_NOTES: &str = "\
From just before the push to the hands of a consumer that reads all partitions. The highest rate is what went through
with sender, Redis, worker, Kafka and consumer on the same cores, and 100,000 lines waiting. Lines are pushed every 5 ms.
";
const SCALING_NOTES: &str = "\
Each variant differs from one worker as it is without any setting, on one Redis server, in one thing alone. Medians over
the rounds, in which they take turns.
";

/// All that the run of record has measured.
pub struct Record {
    pub plain: Throughput,
    pub fresh: Throughput,
    pub latencies: Vec<Latency>,
}

impl Record {
    /// Returns it as Markdown.
    pub fn text(&self, servers: &mut Servers, command: &str) -> String {
        let Record { plain, fresh, latencies } = self;
        let targets = tables::targets(&targets(plain, fresh, latencies));
        format!(
            "# Benchmark\n\n\
             What `{command}` has measured; it writes this file.\n\n\
             {}\n\
             ## Targets\n\n{targets}\n\
             ## Throughput\n\n\
             Rounds: {}, each of {}.\n\n{}\n\
             ![Rates](rates.svg)\n\n{THROUGHPUT_NOTES}\n\
             ### With user agents never seen before\n\n\
             Rounds: {}, each of {}.\n\n{}\n\
             ## Latency\n\n{}\n\
             ![Latencies](latencies.svg)\n\n{LATENCY_NOTES}",
            machine::described(servers),
            plain.limit().runs.len(),
            tables::load(&plain.load),
            tables::throughput(plain),
            fresh.limit().runs.len(),
            tables::load(&fresh.load),
            tables::throughput(fresh),
            tables::latency(latencies),
        )
    }

    /// Writes it, with its figures.
    pub fn write(&self, text: &str) {
        let folder = folder();
        fs::write(folder.join("README.md"), text).expect("docs/bench can be written");
        figures::rates(&folder.join("rates.svg"), &[&self.plain, &self.fresh]).expect("the rates are drawn");
        figures::latencies(&folder.join("latencies.svg"), &self.latencies).expect("the latencies are drawn");
    }
}

/// Returns what scaling has measured as Markdown.
pub fn scaling(
    servers: &mut Servers,
    groups: &[Group],
    delivery: &str,
    rounds: usize,
    command: &str,
) -> String {
    let tables: Vec<String> = groups.iter().map(tables::scaling).collect();
    format!(
        "# What an event costs as things grow\n\n\
         What `{command}` has measured; it writes this file. Delivery is {delivery}; rounds: {rounds}.\n\n\
         {}\n{SCALING_NOTES}\n{}",
        machine::described(servers),
        tables.join("\n"),
    )
}

pub fn write_scaling(text: &str) {
    fs::write(folder().join("scaling.md"), text).expect("docs/bench can be written");
}

fn folder() -> PathBuf {
    let folder = package_root().join("docs/bench");
    fs::create_dir_all(&folder).expect("docs can be written");
    folder
}
