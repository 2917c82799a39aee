//! `/queues`: how full everything is and how it goes, for those who may know.

use std::sync::Arc;

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use serde::Serialize;
use serde_json::{Value, json};

use super::access::Permitted;
use super::snapshot::Rates;
use super::source::Away;
use super::{Web, json as answer};
use crate::queue::status::Status;

#[derive(Serialize)]
struct Queue<'a> {
    #[serde(flatten)]
    status: &'a Status,
    #[serde(flatten)]
    rates: Rates,
}

/// An array with an object for each server: its status and rates, or `server` and `error`.
pub(super) async fn get(_: Permitted, State(web): State<Arc<Web>>) -> Response {
    let (is_complete, servers) = servers(&web).await;
    answer(if is_complete { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE }, &servers)
}

/// The array, and whether all servers have answered.
pub(super) async fn servers(web: &Web) -> (bool, Vec<Value>) {
    let snapshots = web.snapshots().await;
    let is_complete = snapshots.iter().all(Result::is_ok);
    let servers = web.sources.iter().zip(&snapshots).map(|(source, snapshot)| match snapshot {
        Ok(snapshot) => json!(Queue { status: &snapshot.status, rates: snapshot.rates }),
        Err(Away) => json!({ "server": source.name(), "error": "redis does not answer" }),
    });
    (is_complete, servers.collect())
}
