//! Measurements as Markdown.

use std::fmt::Write as _;

use crate::latency::Latency;
use crate::load::Load;
use crate::scaling::Group;
use crate::targets::{Target, percent};
use crate::throughput::Throughput;

const PERCENTILES: [(f64, &str); 4] = [(0.5, "50 %"), (0.9, "90 %"), (0.99, "99 %"), (0.999, "99.9 %")];

pub fn throughput(throughput: &Throughput) -> String {
    let header = [
        "",
        "events/s",
        "of the limit",
        "CPU s per million",
        "of the limit's",
        "Redis CPU s",
        "Kafka CPU s",
        "peak RSS, MiB",
        "without shared pages",
    ];
    let rows = throughput.series.iter().map(|series| {
        let is_limit = std::ptr::eq(series, throughput.limit());
        let of_limit = |ratios: Vec<f64>| if is_limit { "the limit".to_owned() } else { percent(&ratios) };
        vec![
            series.name.to_owned(),
            thousands(series.median(|run| run.rate)),
            of_limit(throughput.ratios(series, |run| run.rate)),
            format!("{:.2}", series.median(|run| run.own_cpu)),
            of_limit(throughput.ratios(series, |run| run.own_cpu)),
            format!("{:.2}", series.median(|run| run.redis_cpu)),
            format!("{:.2}", series.median(|run| run.kafka_cpu)),
            mebibytes(series.most(|run| run.peak_resident)),
            mebibytes(series.most(|run| run.peak_unshared)),
        ]
    });
    table(&header, rows)
}

/// `1,000,000 lines, 20 % of their user agents never seen before`.
pub fn load(load: &Load) -> String {
    let lines = thousands(load.total() as f64);
    format!("{lines} lines, {:.0} % of their user agents never seen before", load.fresh_agents * 100.0)
}

pub fn latency(latencies: &[Latency]) -> String {
    let mut header = vec!["", "of the highest rate", "lines/s"];
    header.extend(PERCENTILES.map(|(_, name)| name));
    let rows = latencies.iter().flat_map(|latency| {
        latency.steps.iter().map(|step| {
            let is_reached = step.rate > 0.95 * step.share * latency.top_rate;
            let reached = if is_reached { "" } else { ", **not reached**" };
            let share = format!("{:.0} % of {}{reached}", step.share * 100.0, thousands(latency.top_rate));
            let mut row = vec![latency.delivery.to_owned(), share, thousands(step.rate)];
            row.extend(PERCENTILES.map(|(share, _)| format!("{:.1} ms", step.milliseconds(share))));
            row
        })
    });
    table(&header, rows)
}

pub fn targets(targets: &[Target]) -> String {
    let rows = targets.iter().map(|target| {
        let met = if target.is_met { "yes" } else { "**no**" };
        vec![target.what.clone(), target.wanted.clone(), target.measured.clone(), met.to_owned()]
    });
    table(&["", "wanted", "measured", "met"], rows)
}

pub fn scaling(group: &Group) -> String {
    let header = [
        group.title,
        "events/s",
        "CPU s per million: worker",
        "Redis",
        "Kafka",
        "all",
        "of the first",
        "peak RSS without shared pages, MiB",
    ];
    let first = group.variants[0].median(|run| run.whole_cpu());
    let rows = group.variants.iter().map(|variant| {
        let whole = variant.median(|run| run.whole_cpu());
        vec![
            variant.name.clone(),
            thousands(variant.median(|run| run.rate)),
            format!("{:.2}", variant.median(|run| run.own_cpu)),
            format!("{:.2}", variant.median(|run| run.redis_cpu)),
            format!("{:.2}", variant.median(|run| run.kafka_cpu)),
            format!("{whole:.2}"),
            format!("{:.0} %", whole / first * 100.0),
            mebibytes(variant.peak_unshared()),
        ]
    });
    table(&header, rows)
}

/// `186,000`: three digits and more would say nothing.
pub fn thousands(number: f64) -> String {
    let digits = (number.abs().log10() as i32 + 1).max(1);
    let unit = 10_f64.powi((digits - 3).max(0));
    let digits = format!("{:.0}", (number / unit).round() * unit);
    let mut text = String::new();
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place) % 3 == 0 {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

fn mebibytes(bytes: u64) -> String {
    format!("{:.0}", bytes as f64 / 1024.0 / 1024.0)
}

/// The first column is of words, the others are of figures.
fn table(header: &[&str], rows: impl Iterator<Item = Vec<String>>) -> String {
    let mut text = format!("| {} |\n|---|{}\n", header.join(" | "), "---:|".repeat(header.len() - 1));
    for row in rows {
        writeln!(text, "| {} |", row.join(" | ")).expect("memory takes every write");
    }
    text
}
