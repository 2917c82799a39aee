//! What Kafkastore promises to reach, and what was measured.

use crate::contender::{AT_LEAST_ONCE, EXACTLY_ONCE};
use crate::latency::Latency;
use crate::statistics::{median, median_interval};
use crate::throughput::Throughput;

const MIB: u64 = 1024 * 1024;
/// The share of the highest rate at which latency is promised.
const PROMISED_SHARE: f64 = 0.1;

pub struct Target {
    pub what: String,
    pub wanted: String,
    pub measured: String,
    pub is_met: bool,
}

/// All targets that these measurements say something about.
pub fn targets(plain: &Throughput, fresh: &Throughput, latencies: &[Latency]) -> Vec<Target> {
    let fresh_what = format!(
        "{AT_LEAST_ONCE}, {:.0} % user agents never seen before: rate, of the bare copy's",
        fresh.load.fresh_agents * 100.0
    );
    let rate_what = |name| format!("{name}: rate, of the bare copy's");
    let mut targets = Vec::new();
    targets.extend(rate(plain, AT_LEAST_ONCE, rate_what(AT_LEAST_ONCE), 0.95));
    targets.extend(rate(plain, EXACTLY_ONCE, rate_what(EXACTLY_ONCE), 0.85));
    targets.extend(cpu(plain));
    targets.extend(rate(fresh, AT_LEAST_ONCE, fresh_what, 0.8));
    for (share, name, most) in [(0.5, "median", 10.0), (0.99, "99th percentile", 50.0)] {
        targets.extend(latency(latencies, share, name, most));
    }
    targets.extend(memory(plain, AT_LEAST_ONCE, 96));
    targets.extend(memory(plain, EXACTLY_ONCE, 160));
    targets
}

fn rate(throughput: &Throughput, name: &str, what: String, least: f64) -> Option<Target> {
    let ratios = throughput.ratios(throughput.series_of(name)?, |run| run.rate);
    let wanted = format!("≥ {:.0} %", least * 100.0);
    Some(Target { what, wanted, measured: percent(&ratios), is_met: median(&ratios) >= least })
}

fn cpu(throughput: &Throughput) -> Option<Target> {
    const MOST: f64 = 1.15;
    let ratios = throughput.ratios(throughput.series_of(AT_LEAST_ONCE)?, |run| run.own_cpu);
    let what = format!("{AT_LEAST_ONCE}: CPU of the worker per event, of the copy's");
    let wanted = format!("≤ {:.0} %", MOST * 100.0);
    Some(Target { what, wanted, measured: percent(&ratios), is_met: median(&ratios) <= MOST })
}

fn latency(latencies: &[Latency], share: f64, name: &str, most: f64) -> Option<Target> {
    let at_least_once = latencies.iter().find(|latency| latency.delivery == AT_LEAST_ONCE)?;
    let step = at_least_once.steps.iter().find(|step| step.share == PROMISED_SHARE)?;
    let milliseconds = step.milliseconds(share);
    Some(Target {
        what: format!(
            "{AT_LEAST_ONCE}, at {:.0} % of its highest rate: latency, {name}",
            PROMISED_SHARE * 100.0
        ),
        wanted: format!("< {most:.0} ms"),
        measured: format!("{milliseconds:.1} ms"),
        is_met: milliseconds < most,
    })
}

fn memory(throughput: &Throughput, name: &str, most: u64) -> Option<Target> {
    let peak = throughput.series_of(name)?.most(|run| run.peak_unshared);
    Some(Target {
        what: format!("{name}, at full rate: peak RSS without shared pages, of all rounds"),
        wanted: format!("< {most} MiB"),
        measured: format!("{:.0} MiB", peak as f64 / MIB as f64),
        is_met: peak < most * MIB,
    })
}

/// The median in percent, and between what it lies.
pub fn percent(ratios: &[f64]) -> String {
    let interval = median_interval(ratios)
        .map_or(String::new(), |(first, last)| format!(" ({:.1} to {:.1})", first * 100.0, last * 100.0));
    format!("{:.1} %{interval}", median(ratios) * 100.0)
}
