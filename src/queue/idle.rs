//! Waiting for lines without asking for them over and over.
//!
//! `BLMOVE queue queue LEFT LEFT` leaves the list as it was and moves nothing to a place where a late answer could
//! lose it. One connection a server waits for all its lanes; it wakes them all.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Notify;
use tracing::debug;

use super::server::Server;

/// How long Redis waits before it says that nothing came.
const WAIT_SECONDS: u32 = 5;
/// The client's patience must outlast the server's.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(10);
/// How often to look where Redis does not let us wait: it refuses `BLMOVE` at its memory limit.
const POLL: Duration = Duration::from_millis(100);

/// Lets lanes wait for lines; cheap to clone.
#[derive(Clone, Default)]
pub struct Idle {
    wanted: Arc<Notify>,
    came: Arc<Notify>,
}

impl Idle {
    /// Returns when lines may have come. It may be dropped at any time.
    pub async fn wait(&self) {
        let came = self.came.notified();
        self.wanted.notify_one();
        came.await;
    }

    /// Serves those who wait; never returns.
    pub async fn run(self, server: Server) {
        let mut connection = None;
        loop {
            self.wanted.notified().await;
            if connection.is_none() {
                connection = server.connect(ANSWER_TIMEOUT).await.ok();
            }
            let answer = match &mut connection {
                Some(connection) => wait_for_line(connection, &server.keys().queue).await,
                None => Ok(false),
            };
            match answer {
                Ok(true) => {}
                // Nothing came, or Redis is away: lanes look for themselves, which tells them so.
                Ok(false) => tokio::time::sleep(POLL).await,
                Err(error) => {
                    debug!(%error, server = server.name(), "redis does not let us wait, looking now and then");
                    if error.is_io_error() || error.is_connection_dropped() || error.is_timeout() {
                        connection = None;
                    }
                    tokio::time::sleep(POLL).await;
                }
            }
            self.came.notify_waiters();
        }
    }
}

async fn wait_for_line(
    connection: &mut redis::aio::MultiplexedConnection,
    queue: &str,
) -> Result<bool, redis::RedisError> {
    let line: Option<Vec<u8>> = redis::cmd("BLMOVE")
        .arg(queue)
        .arg(queue)
        .arg("LEFT")
        .arg("LEFT")
        .arg(WAIT_SECONDS)
        .query_async(connection)
        .await?;
    Ok(line.is_some())
}
