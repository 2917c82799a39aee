//! `/health`: does all work, for load balancers and watchdogs. Anyone may ask, so no host is named.

use std::sync::Arc;

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use serde::Serialize;

use super::snapshot::Snapshot;
use super::source::Away;
use super::{Web, json};
use crate::queue::status::Status;

#[derive(Debug, Serialize, PartialEq, Eq)]
struct Health {
    ok: bool,
    /// What is wrong; empty when nothing is.
    reasons: Vec<String>,
}

pub(super) async fn get(State(web): State<Arc<Web>>) -> Response {
    let reasons = faults(&web.snapshots().await);
    answer(Health { ok: reasons.is_empty(), reasons })
}

/// What is wrong; empty when nothing is.
pub(super) fn faults(snapshots: &[Result<Arc<Snapshot>, Away>]) -> Vec<String> {
    judge(snapshots, |snapshot| idle_or_worked_on(&snapshot.status)).reasons
}

/// `/health/live`: this process answers, whatever else does.
pub(super) async fn live() -> Response {
    answer(Health { ok: true, reasons: Vec::new() })
}

/// `/health/ready`: every Redis answers, so that there is something to show.
pub(super) async fn ready(State(web): State<Arc<Web>>) -> Response {
    answer(judge(&web.snapshots().await, |_| None))
}

fn answer(health: Health) -> Response {
    let status = if health.ok { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    json(status, &health)
}

/// `fault` says what is wrong with a server that answers.
fn judge<T>(answers: &[Result<T, Away>], fault: impl Fn(&T) -> Option<&'static str>) -> Health {
    let name = |at: usize| if answers.len() == 1 { "redis".to_owned() } else { format!("redis {}", at + 1) };
    let wrong = |(at, answer): (usize, &Result<T, Away>)| match answer {
        Err(Away) => Some(format!("{} does not answer", name(at))),
        Ok(answered) => fault(answered).map(|fault| format!("{}: {fault}", name(at))),
    };
    let reasons: Vec<String> = answers.iter().enumerate().filter_map(wrong).collect();
    Health { ok: reasons.is_empty(), reasons }
}

fn idle_or_worked_on(status: &Status) -> Option<&'static str> {
    let is_idle = status.depth == 0 && status.in_flight == 0;
    (!is_idle && !status.has_living_worker()).then_some("lines wait and no worker is alive")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::queue::status::{Heartbeat, Worker};

    fn status(depth: u64, in_flight: u64, heartbeat: Option<i64>) -> Status {
        let said =
            Heartbeat { version: String::new(), host: String::new(), pid: 1, started_at: 0, slots: vec![] };
        let worker = |last_heartbeat| Worker { id: "w".into(), last_heartbeat, said };
        Status {
            server: "a".into(),
            now: 0,
            queue: "q".into(),
            depth,
            in_flight,
            invalid: 0,
            oldest_seconds: None,
            is_paused: false,
            delivered: 0,
            rejected: [].into(),
            workers: heartbeat.map(worker).into_iter().collect(),
        }
    }

    #[test]
    fn all_is_well_while_a_worker_lives_or_nothing_waits() {
        for well in [status(9, 9, Some(3)), status(0, 0, None), status(0, 0, Some(99))] {
            assert_eq!(idle_or_worked_on(&well), None);
        }
        for ill in [status(9, 0, None), status(0, 9, None), status(9, 0, Some(99))] {
            assert_eq!(idle_or_worked_on(&ill), Some("lines wait and no worker is alive"));
        }
    }

    #[test]
    fn every_server_counts() {
        let answers = [Ok(status(0, 0, None)), Err(Away), Ok(status(1, 0, None))];
        let health = judge(&answers, idle_or_worked_on);
        assert!(!health.ok);
        assert_eq!(health.reasons, ["redis 2 does not answer", "redis 3: lines wait and no worker is alive"]);
    }
}
