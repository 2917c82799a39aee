//! `/live`: what the overview shows, again and again, as server-sent events.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::IntoResponse as _;
use axum::response::Response;
use axum::response::sse::{Event, KeepAlive, Sse};
use futures_util::stream;
use serde_json::json;

use super::history::{self, Span};
use super::parts;
use crate::web::visitor::Visitor;
use crate::web::{Web, text};

/// How often something new is shown.
const EVERY: Duration = Duration::from_secs(2);
/// After so many events the browser has to ask anew, and to show that it is still signed in.
const EVENTS: u32 = 450;

pub async fn get(_: Visitor, State(web): State<Arc<Web>>) -> Response {
    let Ok(place) = Arc::clone(&web.past.viewers).try_acquire_owned() else {
        return text(StatusCode::SERVICE_UNAVAILABLE, "too many watch already\n");
    };
    let events = stream::unfold((web, place, 0), |(web, place, sent)| async move {
        if sent == EVENTS {
            return None;
        }
        if sent > 0 {
            tokio::time::sleep(EVERY).await;
        }
        let event = Event::default().data(state(&web).await.to_string());
        Some((Ok::<_, Infallible>(event), (web, place, sent + 1)))
    });
    // Some proxies hold answers back until they are complete.
    let at_once = [("x-accel-buffering", "no"), ("cache-control", "no-store")];
    (at_once, Sse::new(events).keep_alive(KeepAlive::default())).into_response()
}

/// The parts of the page by the ids of their places, and the newest step of the last hour.
async fn state(web: &Web) -> serde_json::Value {
    let shown = parts::Shown::look(web).await;
    let newest = history::columns(web, Span::Hour).await.ok();
    json!({
        "parts": {
            "health": shown.health().into_string(),
            "figures": shown.figures().into_string(),
            "workers": shown.workers().into_string(),
            "tops": shown.tops().into_string(),
            "recent": shown.recent().into_string(),
        },
        "newest": newest.and_then(|columns| columns.at.last().copied()),
    })
}
