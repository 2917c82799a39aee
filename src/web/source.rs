//! One Redis server as the web process asks it: with little patience, since someone waits for the page.

use std::sync::Arc;
use std::time::Duration;

use redis::RedisError;
use tokio::sync::Mutex;
use tracing::{info, warn};

use super::fresh::Fresh;
use super::snapshot::{self, Snapshot};
use crate::queue::history::{self, HOUR, Point, Totals};
use crate::queue::{Link, Server};

/// How long an answer may take, with the connection and those who asked before.
const PATIENCE: Duration = Duration::from_secs(2);

/// How old what happened in the last minute may be: half a step.
const POINTS_FRESH: Duration = Duration::from_secs(5);

/// Redis gave no answer; why is in the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Away;

/// Steps of the history.
type Points = Arc<Vec<Option<Point>>>;

pub(super) struct Source {
    server: Server,
    state: Mutex<State>,
    latest: Fresh<Result<Arc<Snapshot>, Away>>,
    points: Fresh<Result<Points, Away>>,
    totals: Fresh<Result<Arc<Totals>, Away>>,
}

#[derive(Default)]
struct State {
    /// Taken out while it is in use: a call that is dropped half-way takes its connection with it.
    link: Option<Link>,
    is_away: bool,
}

impl Source {
    pub fn new(server: Server) -> Self {
        Self {
            server,
            state: Mutex::default(),
            latest: Fresh::new(snapshot::FRESH),
            points: Fresh::new(POINTS_FRESH),
            totals: Fresh::new(snapshot::FRESH),
        }
    }

    /// Host, port and database, without secrets.
    pub fn name(&self) -> &str {
        self.server.name()
    }

    /// What it holds, as of a moment ago.
    pub async fn snapshot(&self) -> Result<Arc<Snapshot>, Away> {
        self.latest.get(async || snapshot::look(self).await.map(Arc::new)).await
    }

    pub async fn ping(&self) -> Result<(), Away> {
        let mut pipeline = redis::pipe();
        pipeline.cmd("PING").ignore();
        self.ask(async |link| link.query(&pipeline).await).await
    }

    /// The steps of the last hour from `first` to `last`, as of a moment ago.
    pub async fn points(&self, first: i64, last: i64) -> Result<Points, Away> {
        let read = async || self.ask(async |link| history::read(link, HOUR, first, last).await).await;
        self.points.get(async || read().await.map(Arc::new)).await
    }

    /// What all workers have counted, as of a moment ago.
    pub async fn totals(&self) -> Result<Arc<Totals>, Away> {
        self.totals.get(async || self.ask(async |link| history::totals(link).await).await.map(Arc::new)).await
    }

    /// Puts a question, with little patience.
    pub async fn ask<T>(
        &self,
        question: impl AsyncFnOnce(&mut Link) -> Result<T, RedisError>,
    ) -> Result<T, Away> {
        let asked = async {
            let mut state = self.state.lock().await;
            let mut link = state.link.take().unwrap_or_else(|| self.server.link());
            let answer = question(&mut link).await;
            if answer.is_ok() {
                state.link = Some(link);
            }
            answer
        };
        let (answer, error) = match tokio::time::timeout(PATIENCE, asked).await {
            Ok(Ok(answer)) => (Ok(answer), None),
            Ok(Err(error)) => (Err(Away), Some(error.to_string())),
            Err(_) => (Err(Away), Some("no answer in time".to_owned())),
        };
        self.note(error).await;
        answer
    }

    /// Says in the log when the server goes away and when it is back, and not at every request.
    async fn note(&self, error: Option<String>) {
        // Whoever holds it now will note the same.
        let Ok(mut state) = self.state.try_lock() else { return };
        match error {
            Some(error) if !state.is_away => warn!(server = self.name(), error, "redis does not answer"),
            None if state.is_away => info!(server = self.name(), "redis answers again"),
            _ => return,
        }
        state.is_away = !state.is_away;
    }
}
