//! `/history`: the last hour or day in columns, as the charts take them.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::{Query, State};
use axum::http::StatusCode;
use axum::response::Response;
use serde::{Deserialize, Serialize};
use tokio::sync::Semaphore;

use crate::queue::history::{self, DAY, HOUR, Names, Point, Steps};
use crate::stats::histogram::Distribution;
use crate::web::fresh::Fresh;
use crate::web::source::{Away, Source};
use crate::web::visitor::Visitor;
use crate::web::{Web, json};

/// How old what is shown may be: a step of the last hour.
const FRESH: Duration = Duration::from_secs(5);

/// How much of the past.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Span {
    #[default]
    Hour,
    Day,
}

impl Span {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Hour => "hour",
            Self::Day => "day",
        }
    }

    fn steps(self) -> Steps {
        match self {
            Self::Hour => HOUR,
            Self::Day => DAY,
        }
    }
}

#[derive(Deserialize)]
pub struct Asked {
    #[serde(default)]
    pub span: Span,
}

/// Steps of all servers added up, column by column; `null` where no worker lived.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Columns {
    /// Length of a step in seconds.
    pub step: i64,
    /// Where each step begins, in seconds since 1970.
    pub at: Vec<i64>,
    /// Lines a second.
    pub delivered: Vec<Option<f64>>,
    pub rejected: Vec<Option<f64>>,
    /// Lines.
    pub depth: Vec<Option<u64>>,
    pub in_flight: Vec<Option<u64>>,
    pub invalid: Vec<Option<u64>>,
    /// Seconds.
    pub lag_median: Vec<Option<f64>>,
    pub lag_99th: Vec<Option<f64>>,
}

impl Columns {
    pub fn of(steps: Steps, first: i64, points: &[Option<Point>]) -> Self {
        let mut columns = Self { step: steps.seconds, ..Self::default() };
        let rate = |lines: u64| lines as f64 / steps.seconds as f64;
        for (step, point) in (first..).zip(points) {
            let point = point.as_ref();
            columns.at.push(step * steps.seconds);
            columns.delivered.push(point.map(|point| rate(point.delivered)));
            columns.rejected.push(point.map(|point| rate(point.rejected)));
            columns.depth.push(point.map(|point| point.depth));
            columns.in_flight.push(point.map(|point| point.in_flight));
            columns.invalid.push(point.map(|point| point.invalid));
            columns.lag_median.push(point.and_then(|point| point.lag.quantile(Distribution::Lag, 0.5)));
            columns.lag_99th.push(point.and_then(|point| point.lag.quantile(Distribution::Lag, 0.99)));
        }
        columns
    }
}

/// How many may watch at a time: each holds one of the connections.
const VIEWERS: usize = 64;

/// What was read lately, and how many watch.
pub struct Past {
    pub viewers: Arc<Semaphore>,
    hour: Fresh<Result<Arc<Columns>, Away>>,
    day: Fresh<Result<Arc<Columns>, Away>>,
    names: Fresh<Arc<Names>>,
}

impl Default for Past {
    fn default() -> Self {
        Self {
            viewers: Arc::new(Semaphore::new(VIEWERS)),
            hour: Fresh::new(FRESH),
            day: Fresh::new(FRESH),
            names: Fresh::new(FRESH),
        }
    }
}

pub async fn get(_: Visitor, State(web): State<Arc<Web>>, Query(asked): Query<Asked>) -> Response {
    match columns(&web, asked.span).await {
        Ok(columns) => json(StatusCode::OK, &*columns),
        Err(Away) => {
            let answer = serde_json::json!({ "error": "redis does not answer" });
            json(StatusCode::SERVICE_UNAVAILABLE, &answer)
        }
    }
}

/// # Errors
/// When no server answers.
pub async fn columns(web: &Web, span: Span) -> Result<Arc<Columns>, Away> {
    let kept = match span {
        Span::Hour => &web.past.hour,
        Span::Day => &web.past.day,
    };
    kept.get(async || read(web, span.steps()).await.map(Arc::new)).await
}

async fn read(web: &Web, steps: Steps) -> Result<Columns, Away> {
    let now = now(web).await.ok_or(Away)?;
    // The step that goes on is left out: it would look like a fall.
    let last = steps.at(now) - 1;
    let first = last - steps.count + 1;
    let ask = move |source: Arc<Source>| async move {
        source.ask(async |link| history::read(link, steps, first, last).await).await
    };
    let mut sums: Vec<Option<Point>> = vec![None; usize::try_from(steps.count).unwrap_or_default()];
    for points in web.ask_all(ask).await.into_iter().flatten() {
        for (sum, point) in sums.iter_mut().zip(points) {
            if let Some(point) = point {
                sum.get_or_insert_default().add(&point);
            }
        }
    }
    Ok(Columns::of(steps, first, &sums))
}

/// Names of the last hour, of all servers that answer.
pub async fn names(web: &Web) -> Arc<Names> {
    let read = async || {
        let mut sum = Names::new();
        let Some(now) = now(web).await else { return Arc::new(sum) };
        let ask = move |source: Arc<Source>| async move {
            source.ask(async |link| history::names(link, now).await).await
        };
        for names in web.ask_all(ask).await.into_iter().flatten() {
            for (kind, names) in names {
                let kind = sum.entry(kind).or_default();
                for (name, lines) in names {
                    *kind.entry(name).or_default() += lines;
                }
            }
        }
        Arc::new(sum)
    };
    web.past.names.get(read).await
}

/// The clock of the first server that answers.
async fn now(web: &Web) -> Option<i64> {
    web.snapshots().await.into_iter().flatten().next().map(|snapshot| snapshot.status.now)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_step_without_a_worker_is_a_gap() {
        let point = Point { delivered: 50, depth: 7, ..Point::default() };
        let columns = Columns::of(HOUR, 100, &[None, Some(point)]);
        assert_eq!(columns.at, [1_000, 1_010]);
        assert_eq!(columns.delivered, [None, Some(5.0)]);
        assert_eq!(columns.depth, [None, Some(7)]);
        assert_eq!(columns.lag_median, [None, None]);
    }
}
