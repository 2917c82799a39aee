//! What all workers have counted, kept in Redis for the web process: totals since the counters began, the last hour and
//! the last day in steps, the last messages.

use std::collections::BTreeMap;

use serde_json::json;

use super::scripts;
use super::server::{Keys, Link};
use crate::stats::histogram::{Distribution, Spread};
use crate::stats::sample::{Kind, RECENT, Recent};
use crate::stats::{Counted, Counter};

/// Names of all kinds in a step; what comes beyond counts as "other".
const NAMES_A_STEP: usize = 600;
/// Names are shown for the last hour.
const NAMES_KEPT_SECONDS: u32 = 2 * 60 * 60;

/// How finely a stretch of time is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Steps {
    pub name: &'static str,
    /// Length of a step.
    pub seconds: i64,
    /// How many are shown.
    pub count: i64,
}

pub const HOUR: Steps = Steps { name: "10s", seconds: 10, count: 360 };
pub const DAY: Steps = Steps { name: "5m", seconds: 300, count: 288 };

impl Steps {
    /// Somewhat longer than they are shown.
    fn kept_seconds(&self) -> i64 {
        self.seconds * (self.count + 6)
    }

    /// The number of the step that a time lies in.
    pub fn at(&self, epoch: i64) -> i64 {
        epoch.div_euclid(self.seconds)
    }

    fn key(&self, keys: &Keys, step: i64) -> String {
        format!("{}{}:{step}", keys.history_prefix, self.name)
    }
}

/// What happened in one step.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Point {
    pub delivered: u64,
    pub rejected: u64,
    /// The most lines that were seen to wait.
    pub depth: u64,
    pub in_flight: u64,
    pub invalid: u64,
    /// Lines that waited or were in flight when the last worker looked.
    pub waiting: u64,
    pub lag: Spread,
}

impl Point {
    /// Adds what happened on another server in the same step.
    pub fn add(&mut self, other: &Self) {
        self.delivered += other.delivered;
        self.rejected += other.rejected;
        self.depth += other.depth;
        self.in_flight += other.in_flight;
        self.invalid += other.invalid;
        self.waiting += other.waiting;
        self.lag.add(&other.lag);
    }
}

/// Counts by name, for each kind.
pub type Names = BTreeMap<Kind, BTreeMap<String, u64>>;

/// Totals of all workers since the counters began.
#[derive(Debug, Clone, Default)]
pub struct Totals {
    pub counters: BTreeMap<Counter, u64>,
    pub spreads: BTreeMap<Distribution, Spread>,
    /// Delivered lines and bytes by topic, exactly.
    pub topics: BTreeMap<String, (u64, u64)>,
    /// Rejected lines by reason, exactly.
    pub rejected: BTreeMap<String, u64>,
    /// The last messages, the newest last.
    pub recent: Vec<Recent>,
}

/// Adds what a worker has counted.
///
/// # Errors
/// When Redis does not answer: it may then have been added or not.
pub async fn record(link: &mut Link, counted: &Counted) -> Result<(), redis::RedisError> {
    let keys = link.server().keys().clone();
    let mut totals = BTreeMap::new();
    for counter in Counter::ALL {
        totals.insert(counter.name().to_owned(), counted.figures.of(counter));
    }
    let mut points = BTreeMap::new();
    for counter in [Counter::Delivered, Counter::Rejected] {
        points.insert(counter.name().to_owned(), counted.figures.of(counter));
    }
    for (distribution, spread) in &counted.spreads {
        let fields = spread_fields(*distribution, spread);
        if *distribution == Distribution::Lag {
            points.extend(fields.clone());
        }
        totals.extend(fields);
    }
    for fields in [&mut totals, &mut points] {
        fields.retain(|_, count| *count > 0);
    }
    let tops: BTreeMap<String, u64> = counted
        .tops
        .iter()
        .map(|((kind, name), lines)| (format!("{}:{name}", kind.as_str()), *lines))
        .collect();
    let recent: Vec<String> = counted.recent.iter().map(|recent| json!(recent).to_string()).collect();
    let counted = json!({ "totals": totals, "points": points, "tops": tops, "recent": recent }).to_string();
    let mut script = scripts::RECORD.prepare_invoke();
    script
        .key(&keys.metrics)
        .key(&keys.recent)
        .key(&keys.queue)
        .key(&keys.invalid)
        .key(&keys.batches)
        .key(&keys.rest)
        .arg(&keys.history_prefix)
        .arg(RECENT)
        .arg(NAMES_A_STEP)
        .arg(NAMES_KEPT_SECONDS)
        .arg(counted);
    for steps in [HOUR, DAY] {
        script.arg(steps.name).arg(steps.seconds).arg(steps.kept_seconds());
    }
    link.run(&script).await
}

/// Reads the steps from `first` to `last`; nothing for those in which no worker lived.
///
/// # Errors
/// When Redis does not answer.
pub async fn read(
    link: &mut Link,
    steps: Steps,
    first: i64,
    last: i64,
) -> Result<Vec<Option<Point>>, redis::RedisError> {
    let keys = link.server().keys().clone();
    let mut pipeline = redis::pipe();
    for step in first..=last {
        pipeline.hgetall(steps.key(&keys, step));
    }
    let found: Vec<BTreeMap<String, u64>> = link.query(&pipeline).await?;
    Ok(found.iter().map(|fields| (!fields.is_empty()).then(|| point(fields))).collect())
}

/// Reads the names of the last hour, added up; `now` is Redis's clock.
///
/// # Errors
/// When Redis does not answer.
pub async fn names(link: &mut Link, now: i64) -> Result<Names, redis::RedisError> {
    let keys = link.server().keys().clone();
    let mut pipeline = redis::pipe();
    for step in DAY.at(now - 3600)..=DAY.at(now) {
        pipeline.hgetall(format!("{}:tops", DAY.key(&keys, step)));
    }
    let found: Vec<BTreeMap<String, u64>> = link.query(&pipeline).await?;
    let mut names = Names::new();
    for (field, lines) in found.into_iter().flatten() {
        let Some((kind, name)) = field.split_once(':') else { continue };
        let Some(kind) = Kind::ALL.into_iter().find(|known| known.as_str() == kind) else { continue };
        *names.entry(kind).or_default().entry(name.to_owned()).or_default() += lines;
    }
    Ok(names)
}

/// Reads the totals.
///
/// # Errors
/// When Redis does not answer.
pub async fn totals(link: &mut Link) -> Result<Totals, redis::RedisError> {
    let keys = link.server().keys().clone();
    let mut pipeline = redis::pipe();
    pipeline
        .hgetall(&keys.metrics)
        .hgetall(&keys.totals)
        .hgetall(&keys.topics)
        .hgetall(&keys.topic_bytes)
        .lrange(&keys.recent, 0, -1);
    type Counts = BTreeMap<String, u64>;
    type Answer = (Counts, Counts, Counts, Counts, Vec<String>);
    let (metrics, exact, lines, bytes, recent): Answer = link.query(&pipeline).await?;
    let counter = |counter: Counter| (counter, metrics.get(counter.name()).copied().unwrap_or_default());
    let topic = |(topic, lines): (&String, &u64)| {
        (topic.clone(), (*lines, bytes.get(topic).copied().unwrap_or_default()))
    };
    let reason = |(name, lines): (&String, &u64)| Some((name.strip_prefix("invalid:")?.to_owned(), *lines));
    Ok(Totals {
        counters: Counter::ALL.map(counter).into(),
        spreads: Distribution::ALL.map(|which| (which, spread(which, &metrics))).into(),
        topics: lines.iter().map(topic).collect(),
        rejected: exact.iter().filter_map(reason).collect(),
        recent: recent.iter().filter_map(|text| serde_json::from_str(text).ok()).collect(),
    })
}

fn spread_fields(distribution: Distribution, spread: &Spread) -> BTreeMap<String, u64> {
    let name = distribution.name();
    let range = |(range, count): (usize, &u64)| (format!("{name}:{range}"), *count);
    let sum = (format!("{name}:sum"), spread.sum_millionths);
    spread.counts.iter().enumerate().map(range).chain([sum]).collect()
}

fn spread(distribution: Distribution, fields: &BTreeMap<String, u64>) -> Spread {
    let field = |part: &dyn std::fmt::Display| {
        fields.get(&format!("{}:{part}", distribution.name())).copied().unwrap_or_default()
    };
    Spread {
        counts: (0..=distribution.bounds().len()).map(|range| field(&range)).collect(),
        sum_millionths: field(&"sum"),
    }
}

fn point(fields: &BTreeMap<String, u64>) -> Point {
    let field = |name: &str| fields.get(name).copied().unwrap_or_default();
    Point {
        delivered: field(Counter::Delivered.name()),
        rejected: field(Counter::Rejected.name()),
        depth: field("depth"),
        in_flight: field("in_flight"),
        invalid: field("invalid"),
        waiting: field("waiting"),
        lag: spread(Distribution::Lag, fields),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_spread_comes_back_from_its_fields() {
        let lag = Spread { counts: (0..=16).collect(), sum_millionths: 99 };
        assert_eq!(spread(Distribution::Lag, &spread_fields(Distribution::Lag, &lag)), lag);
    }
}
