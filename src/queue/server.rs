//! One Redis server: the names of its keys, and connections that are made again when they break.

use std::sync::Arc;
use std::time::Duration;

use redis::aio::MultiplexedConnection;
use redis::{AsyncConnectionConfig, Client, ConnectionInfo, ErrorKind, RedisError};

/// How long Redis may take to answer; a script of ours blocks it for half a second at most.
pub const ANSWER_TIMEOUT: Duration = Duration::from_secs(5);
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// `EVAL` flags and `LMOVE` as the scripts use them came with this version.
const OLDEST_MAJOR_VERSION: u32 = 7;

/// The names of all keys, made from the name of the queue.
#[derive(Debug, Clone)]
pub struct Keys {
    pub queue: String,
    pub invalid: String,
    /// A random name for this database.
    pub id: String,
    pub batches: String,
    /// The lines of an in-flight list that no batch has yet.
    pub rest: String,
    pub seq: String,
    pub paused: String,
    pub workers: String,
    pub totals: String,
    pub topics: String,
    pub topic_bytes: String,
    /// What all workers have counted.
    pub metrics: String,
    /// The last messages.
    pub recent: String,
    pub(super) history_prefix: String,
    lease_prefix: String,
    inflight_prefix: String,
}

impl Keys {
    pub fn new(queue: &str, invalid: &str) -> Self {
        let key = |suffix: &str| format!("{queue}:{suffix}");
        Self {
            queue: queue.to_owned(),
            invalid: invalid.to_owned(),
            id: key("id"),
            batches: key("batches"),
            rest: key("rest"),
            seq: key("seq"),
            paused: key("paused"),
            workers: key("workers"),
            totals: key("stats:totals"),
            topics: key("stats:topics"),
            topic_bytes: key("stats:bytes"),
            metrics: key("stats:metrics"),
            recent: key("stats:recent"),
            history_prefix: key("stats:"),
            lease_prefix: key("lease:"),
            inflight_prefix: key("inflight:"),
        }
    }

    pub fn lease_prefix(&self) -> &str {
        &self.lease_prefix
    }

    pub fn lease(&self, slot: u64) -> String {
        format!("{}{slot}", self.lease_prefix)
    }

    pub fn inflight_prefix(&self) -> &str {
        &self.inflight_prefix
    }

    /// `list` is named as in a [`Range`](super::batch::Range).
    pub fn inflight(&self, list: &str) -> String {
        format!("{}{list}", self.inflight_prefix)
    }
}

/// How large the invalid list may grow.
#[derive(Debug, Clone, Copy)]
pub struct Bounds {
    pub lines: u64,
    pub bytes: u64,
}

/// One server; cheap to clone.
#[derive(Clone)]
pub struct Server {
    client: Client,
    name: Arc<str>,
    keys: Arc<Keys>,
    bounds: Bounds,
}

/// Why a server that answers cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum Unsuitable {
    #[error("Redis Cluster is not supported: the lists of a queue must stand on one server")]
    Cluster,
    #[error("Redis {0} is too old: 7.0 or later is needed")]
    TooOld(String),
    #[error("{0}")]
    Redis(#[from] RedisError),
}

impl Server {
    pub fn new(address: ConnectionInfo, name: String, keys: Keys, bounds: Bounds) -> Result<Self, String> {
        let client = Client::open(address).map_err(|error| format!("REDIS_URL: {error}"))?;
        Ok(Self { client, name: name.into(), keys: Arc::new(keys), bounds })
    }

    /// Host, port and database, without secrets.
    pub fn name(&self) -> &str {
        &self.name
    }

    pub fn keys(&self) -> &Arc<Keys> {
        &self.keys
    }

    pub fn bounds(&self) -> Bounds {
        self.bounds
    }

    /// Opens a connection whose answers may take `answer_timeout`.
    ///
    /// # Errors
    /// When the server cannot be reached or refuses us.
    pub async fn connect(&self, answer_timeout: Duration) -> Result<MultiplexedConnection, RedisError> {
        let config = AsyncConnectionConfig::new()
            .set_connection_timeout(Some(CONNECT_TIMEOUT))
            .set_response_timeout(Some(answer_timeout));
        self.client.get_multiplexed_async_connection_with_config(&config).await.map_err(in_plain_words)
    }

    /// A link that connects when it is first used.
    pub fn link(&self) -> Link {
        Link { server: self.clone(), connection: None, connects: 0 }
    }

    /// Asks the server whether it is one that we can work with.
    ///
    /// # Errors
    /// When it cannot be reached, is a cluster or is too old.
    pub async fn check(&self) -> Result<String, Unsuitable> {
        let mut connection = self.connect(ANSWER_TIMEOUT).await?;
        let info: String = redis::cmd("INFO").query_async(&mut connection).await?;
        let value = |key: &str| {
            info.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix(':')).unwrap_or_default().trim()
        };
        if value("cluster_enabled") == "1" {
            return Err(Unsuitable::Cluster);
        }
        let version = value("redis_version");
        let major = version.split('.').next().and_then(|major| major.parse::<u32>().ok());
        if major.is_some_and(|major| major < OLDEST_MAJOR_VERSION) {
            return Err(Unsuitable::TooOld(version.to_owned()));
        }
        Ok(match value("valkey_version") {
            "" => format!("Redis {version}"),
            valkey => format!("Valkey {valkey}"),
        })
    }
}

/// A connection that is made again after it broke. Nothing is repeated by itself: the caller knows what may be.
pub struct Link {
    server: Server,
    connection: Option<MultiplexedConnection>,
    connects: u64,
}

impl Link {
    pub fn server(&self) -> &Server {
        &self.server
    }

    pub async fn connection(&mut self) -> Result<&mut MultiplexedConnection, RedisError> {
        if self.connection.is_none() {
            self.connection = Some(self.server.connect(ANSWER_TIMEOUT).await?);
            self.connects += 1;
        }
        Ok(self.connection.as_mut().expect("it was set just now"))
    }

    /// How often it has connected: Redis may have been restarted in between.
    pub fn connects(&self) -> u64 {
        self.connects
    }

    /// Runs a script.
    ///
    /// # Errors
    /// As Redis says; after a broken wire or an answer that did not come, the next call connects anew.
    pub async fn run<T: redis::FromRedisValue>(
        &mut self,
        script: &redis::ScriptInvocation<'_>,
    ) -> Result<T, RedisError> {
        let answer = script.invoke_async(self.connection().await?).await;
        self.note(answer)
    }

    /// Sends a pipeline of reading commands; errors as [`Link::run`].
    pub async fn query<T: redis::FromRedisValue>(
        &mut self,
        pipeline: &redis::Pipeline,
    ) -> Result<T, RedisError> {
        let answer = pipeline.query_async(self.connection().await?).await;
        self.note(answer).map_err(first_of_pipeline)
    }

    fn note<T>(&mut self, answer: Result<T, RedisError>) -> Result<T, RedisError> {
        answer.inspect_err(|error| {
            // After a time-out the answer may still come, and belong to nobody.
            if error.is_io_error() || error.is_connection_dropped() || error.is_timeout() {
                self.connection = None;
            }
        })
    }
}

/// Why there is no connection, with the setting to look at.
fn in_plain_words(error: RedisError) -> RedisError {
    let text = error.to_string().to_lowercase();
    let words = if error.kind() == ErrorKind::AuthenticationFailed {
        // The client says no more than that, also where Redis does.
        "it does not let us in: the user or password in REDIS_URL is wrong, or its limit of connections is reached"
    } else if text.contains("certificate verify failed") {
        "its certificate cannot be verified: REDIS_TLS_INSECURE=1 takes any"
    } else if ["unexpected eof", "reset by peer", "broken pipe"].iter().any(|said| text.contains(said)) {
        "it closes the connection at once: its limit of connections is reached, or only one of us speaks TLS"
    } else {
        return error;
    };
    (error.kind(), words).into()
}

/// The first error of a pipeline: the others are mostly its copies, and one line is told.
fn first_of_pipeline(error: RedisError) -> RedisError {
    match error.clone().into_server_errors().as_deref() {
        Some([(_, first), ..]) => first.clone().into(),
        _ => error,
    }
}
