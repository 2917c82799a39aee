//! The web process: is all well, and how full is everything. It knows Redis, and nothing of Kafka.
//!
//! - [`settings`]: where it listens, and the token
//! - `access`: who may see the queues
//! - `source`: one Redis server, asked with little patience
//! - `health`, `pingdom`, `queues`: one endpoint each

mod access;
mod health;
mod pingdom;
mod queues;
pub mod settings;
mod source;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use tokio::net::TcpListener;
use tokio::sync::oneshot;

use crate::queue::Server;
use crate::queue::status::Status;
use settings::Token;
use source::{Away, Source};

pub use settings::Settings;

/// How long requests that are under way may take when it is to stop: foreman kills after five seconds.
const GRACE: Duration = Duration::from_millis(2500);

/// What all requests share.
struct Web {
    sources: Vec<Arc<Source>>,
    token: Option<Token>,
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

    async fn statuses(&self) -> Vec<Result<Status, Away>> {
        self.ask_all(|source| async move { source.status().await }).await
    }
}

/// Serves `listener` until `stop` is ready.
///
/// # Errors
/// When the listener fails.
pub async fn serve(
    listener: TcpListener,
    servers: &[Server],
    token: Option<Token>,
    stop: impl Future<Output = ()> + Send + 'static,
) -> std::io::Result<()> {
    let sources = servers.iter().cloned().map(Source::new).map(Arc::new).collect();
    let routes = router(Arc::new(Web { sources, token }));
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
        .route("/health", get(health::get))
        .route("/pingdom", get(pingdom::get))
        .route("/queues", get(queues::get))
        .fallback(async || text(StatusCode::NOT_FOUND, "not found\n"))
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
