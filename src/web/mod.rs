//! The web process: is all well, and how full is everything. It knows Redis, and nothing of Kafka.
//!
//! - [`settings`], `secret`: where it listens, and who may enter
//! - `health`, `pingdom`, `queues`, `metrics`: one endpoint each
//! - `dashboard`: the overview
//! - `access`: who may see the queues
//! - `visitor`: who may see the pages, and send their forms
//! - `doors`: what both ask; `seal`: cookies that nobody can change; `place`: under which address we are known
//! - `sign_in`, `sign_out`: the way in and out; `tries`: how often one may try; `next`: where one goes then
//! - `sign_in_elsewhere`, `open_id`, `provider_http`: by OpenID Connect; `refusal`: why not
//! - `page`, `assets`, `headers`: what all pages have in common
//! - `badclicks`: the rejected lines; `explain`: any line; `enriching`: what both say of a line
//! - `raw`, `time`: bytes and moments on a page
//! - `connections`: how many there may be, and how slow
//! - `source`: one Redis server, asked with little patience; `snapshot`: what it holds; `fresh`: answers kept for a moment

mod access;
mod assets;
mod badclicks;
mod connections;
mod dashboard;
mod doors;
mod enriching;
mod explain;
mod fresh;
mod headers;
mod health;
mod metrics;
mod next;
mod open_id;
mod page;
mod pingdom;
mod place;
mod provider_http;
mod queues;
mod raw;
mod refusal;
mod seal;
mod secret;
pub mod settings;
mod sign_in;
mod sign_in_elsewhere;
mod sign_out;
mod snapshot;
mod source;
mod time;
mod tries;
mod visitor;

use std::sync::Arc;

use axum::extract::DefaultBodyLimit;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Router, middleware};
use tokio::net::TcpListener;

use crate::enrich;
use crate::queue::Server;
use crate::queue::history::Totals;
use dashboard::history::Past;
use doors::Doors;
use enriching::Explainer;
use snapshot::Snapshot;
use source::{Away, Source};

pub use settings::{Access, Settings};

/// The longest form: a few lines to explain, or a page of those to replay.
const BODY_BYTES: usize = 64 * 1024;
/// The longest form of somebody whom we do not know.
const SIGN_IN_BYTES: usize = 8 * 1024;

/// What all requests share.
struct Web {
    sources: Vec<Arc<Source>>,
    doors: Doors,
    /// What the charts have drawn lately.
    past: Past,
    explainer: Explainer,
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

    /// What the servers are called.
    fn names(&self) -> Vec<&str> {
        self.sources.iter().map(|source| source.name()).collect()
    }

    async fn snapshots(&self) -> Vec<Result<Arc<Snapshot>, Away>> {
        self.ask_all(|source| async move { source.snapshot().await }).await
    }

    async fn totals(&self) -> Vec<Result<Arc<Totals>, Away>> {
        self.ask_all(|source| async move { source.totals().await }).await
    }
}

/// Serves `listener` until `stop` is ready.
pub async fn serve(
    listener: TcpListener,
    servers: &[Server],
    access: Access,
    enrich: enrich::Settings,
    stop: impl Future<Output = ()> + Send,
) {
    let sources = servers.iter().cloned().map(Source::new).map(Arc::new).collect();
    let web =
        Web { sources, doors: Doors::new(access), past: Past::default(), explainer: Explainer::new(enrich) };
    connections::serve(listener, router(Arc::new(web)), stop).await;
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
        .route("/auth", get(sign_in::show).post(sign_in::post).layer(DefaultBodyLimit::max(SIGN_IN_BYTES)))
        .route("/auth/logout", get(sign_out::show).post(sign_out::post))
        .route("/auth/google_oauth2", get(sign_in_elsewhere::start))
        .route("/auth/google_oauth2/callback", get(sign_in_elsewhere::callback))
        .route("/auth/failure", get(sign_in_elsewhere::failure))
        .route("/sidekiq", get(async || sign_in::go("/")))
        .route("/assets/{name}", get(assets::get))
        .merge(badclicks::routes())
        .merge(explain::routes())
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
