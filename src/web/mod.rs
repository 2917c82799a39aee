//! The web process: is all well, and how full is everything. It knows Redis, and nothing of Kafka.
//!
//! - [`settings`], `secret`: where it listens, and who may enter
//! - `health`, `pingdom`, `queues`, `metrics`: one endpoint each
//! - `dashboard`: the overview
//! - `access`: who may see the queues
//! - `visitor`: who may see the pages, and send their forms
//! - `doors`: what both ask; `seal`: cookies that nobody can change; `place`: under which address we are known
//! - `page`, `assets`, `headers`: what all pages have in common
//! - `source`: one Redis server, asked with little patience; `snapshot`: what it holds; `fresh`: answers kept for a moment
#![allow(dead_code, reason = "the pages that use the rest come next")]

mod access;
mod assets;
mod dashboard;
mod doors;
mod fresh;
mod headers;
mod health;
mod metrics;
mod page;
mod pingdom;
mod place;
mod queues;
mod seal;
mod secret;
pub mod settings;
mod snapshot;
mod source;
mod visitor;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::DefaultBodyLimit;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Router, middleware};
use tokio::net::TcpListener;
use tokio::sync::oneshot;

use crate::queue::Server;
use dashboard::history::Past;
use doors::Doors;
use snapshot::Snapshot;
use source::{Away, Source};

pub use settings::{Access, Settings};

/// How long requests that are under way may take when it is to stop: foreman kills after five seconds.
const GRACE: Duration = Duration::from_millis(2500);
/// The longest form: a few lines to explain, or a page of those to replay.
const BODY_BYTES: usize = 64 * 1024;

/// What all requests share.
struct Web {
    sources: Vec<Arc<Source>>,
    doors: Doors,
    /// What the charts have drawn lately.
    past: Past,
}

impl Web {
    /// Puts the same question to all servers at once, so that those that are away are waited for together.
    async fn ask_all<T: Send + 'static, F: Future<Output = Result<T, Away>> + Send + 'static>(
        &self,
        question: impl Fn(Arc<Source>) -> F,
    ) -> Vec<Result<T, Away>> {
        let asked: Vec<_> =
            self.sources.iter().map(|source| tokio::spawn(question(Arc::clone(source)))).collect();
        let mut answers = Vec::new();
        for answer in asked {
            answers.push(answer.await.unwrap_or(Err(Away)));
        }
        answers
    }

    async fn snapshots(&self) -> Vec<Result<Arc<Snapshot>, Away>> {
        self.ask_all(|source| async move { source.snapshot().await }).await
    }
}

/// Serves `listener` until `stop` is ready.
///
/// # Errors
/// When the listener fails.
pub async fn serve(
    listener: TcpListener,
    servers: &[Server],
    access: Access,
    stop: impl Future<Output = ()> + Send + 'static,
) -> std::io::Result<()> {
    let sources = servers.iter().cloned().map(Source::new).map(Arc::new).collect();
    let routes = router(Arc::new(Web { sources, doors: Doors::new(access), past: Past::default() }));
    let (stopping, stopped) = oneshot::channel();
    let server = axum::serve(listener, routes.into_make_service_with_connect_info::<SocketAddr>())
        .with_graceful_shutdown(async move {
            stop.await;
            // Nobody listens any more only when the server has ended by itself.
            stopping.send(()).ok();
        });
    tokio::select! {
        ended = server => ended,
        () = async {
            if stopped.await.is_err() {
                std::future::pending::<()>().await;
            }
            tokio::time::sleep(GRACE).await;
        } => Ok(()),
    }
}

fn router(web: Arc<Web>) -> Router {
    Router::new()
        .route("/", get(dashboard::get))
        .route("/live", get(dashboard::live::get))
        .route("/history", get(dashboard::history::get))
        .route("/health", get(health::get))
        .route("/health/live", get(health::live))
        .route("/health/ready", get(health::ready))
        .route("/metrics", get(metrics::get))
        .route("/pingdom", get(pingdom::get))
        .route("/queues", get(queues::get))
        .route("/assets/{name}", get(assets::get))
        .fallback(async || page::not_found())
        .layer(DefaultBodyLimit::max(BODY_BYTES))
        .layer(middleware::from_fn_with_state(Arc::clone(&web), headers::add))
        .with_state(web)
}

/// An answer that nobody keeps.
fn text(status: StatusCode, text: &'static str) -> Response {
    (status, [(header::CACHE_CONTROL, "no-store")], text).into_response()
}

fn json(status: StatusCode, value: &impl serde::Serialize) -> Response {
    (status, [(header::CACHE_CONTROL, "no-store")], axum::Json(value)).into_response()
}

#[cfg(test)]
mod tests;
