//! `/pingdom`: does Redis answer, in the words of the program of 2016.

use std::sync::Arc;

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;

use super::{Web, text};

pub(super) async fn get(State(web): State<Arc<Web>>) -> Response {
    let answered = web.ask_all(|source| async move { source.ping().await }).await;
    if answered.iter().all(Result::is_ok) {
        text(StatusCode::OK, "ok")
    } else {
        text(StatusCode::SERVICE_UNAVAILABLE, "redis does not answer")
    }
}
