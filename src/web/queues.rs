//! `/queues`: how full everything is, for those who may know.

use std::sync::Arc;

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use serde_json::{Value, json};

use super::access::Permitted;
use super::{Web, json as answer};

/// An array with an object for each server: its status, or `server` and `error`.
pub(super) async fn get(_: Permitted, State(web): State<Arc<Web>>) -> Response {
    let statuses = web.statuses().await;
    let all_answered = statuses.iter().all(Result::is_ok);
    let of_server = |(source, status): (&Arc<super::Source>, Result<_, _>)| match status {
        Ok(status) => json!(status),
        Err(super::source::Away) => json!({ "server": source.name(), "error": "redis does not answer" }),
    };
    let servers: Vec<Value> = web.sources.iter().zip(statuses).map(of_server).collect();
    answer(if all_answered { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE }, &servers)
}
