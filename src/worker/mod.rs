//! The main job, composed: lanes reserve, enrich, publish and acknowledge.
//!
//! - `settings`: how many lanes, how large a batch
//! - `lane`: one slot and one producer, and the loop around them
//! - `draft`: a batch enriched, ready to be sent
//! - `reject`: lines that cannot be delivered leave their batch
//! - `transaction`: exactly-once: a batch in one transaction, until it is committed
//! - `settle`: what was not delivered at once: sent again, halved, rejected
//! - `recover`: batches of workers that have gone
//! - `dead_letters`: rejected lines, in Kafka as well
//! - `upkeep`: leases and heartbeats, the country database, the line a minute
//! - `stop`: how it ends

mod backoff;
mod dead_letters;
mod draft;
mod lane;
mod recover;
mod reject;
mod settings;
mod settle;
mod stop;
mod transaction;
mod upkeep;

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use rdkafka::ClientConfig;
use tokio::task::JoinSet;
use tracing::{error, info, warn};

use crate::enrich::Enricher;
use crate::kafka::{ExactlyOnce, Topics, Troubles};
use crate::logging::Seldom;
use crate::queue::idle::Idle;
use crate::queue::server::Unsuitable;
use crate::queue::{Delivery, Lease, Link, Server};
use crate::stats::Stats;
use dead_letters::DeadLetters;

pub(crate) use reject::{is_for_lines, no_topic};
pub use settings::Settings;
pub use stop::{Stop, Stopper};

/// What all lanes of a worker share.
struct Worker {
    id: String,
    started_at: i64,
    enricher: Arc<Enricher>,
    /// What new batches are promised.
    delivery: Delivery,
    /// Whether a lane has ever delivered in this mode, so that it is permitted.
    has_delivered: AtomicBool,
    /// For batches that are promised no more.
    producer: ClientConfig,
    /// For batches that were promised this, whoever reserved them.
    exactly_once: ExactlyOnce,
    topics: Topics,
    topic_prefix: String,
    /// Topics of our own, which no line is for.
    own_topics: Vec<String>,
    dead_letters: Option<DeadLetters>,
    /// What the producers met with.
    troubles: Arc<Troubles>,
    /// When it was told that lines are rejected for their topic, and that Kafka does not answer.
    strays: Seldom,
    silence: Seldom,
    /// Held by the lane that tries again to reach Kafka: one asks at a time.
    asking: tokio::sync::Mutex<()>,
    batch_size: usize,
}

impl Worker {
    fn has_delivered_as_promised(&self) -> bool {
        self.has_delivered.load(Ordering::Relaxed)
    }

    /// Says that the lines of some topics are rejected; anyone can make up names, so it is said now and then only.
    fn tell_of_strays(&self, strays: &[(String, String)]) {
        if let [(topic, why), others @ ..] = strays
            && self.strays.is_due()
        {
            warn!(
                topic,
                why,
                other_topics = others.len(),
                "a topic cannot be written to, its lines are rejected"
            );
        }
    }

    fn note_delivery_as_promised(&self) {
        self.has_delivered.store(true, Ordering::Relaxed);
    }
}

/// One Redis server as its lanes share it.
struct Source {
    server: Server,
    /// For what is not urgent: servers may allow few connections.
    link: tokio::sync::Mutex<Link>,
    idle: Idle,
    leases: Mutex<Vec<Weak<Lease>>>,
    stats: Arc<Stats>,
}

impl Source {
    fn new(server: Server) -> Self {
        Self {
            link: server.link().into(),
            server,
            idle: Idle::default(),
            leases: Mutex::default(),
            stats: Arc::default(),
        }
    }

    /// Has a lease renewed for as long as it is held.
    fn keep(&self, lease: &Arc<Lease>) {
        self.leases.lock().unwrap_or_else(PoisonError::into_inner).push(Arc::downgrade(lease));
    }

    fn held_leases(&self) -> Vec<Arc<Lease>> {
        let mut leases = self.leases.lock().unwrap_or_else(PoisonError::into_inner);
        leases.retain(|lease| lease.strong_count() > 0);
        leases.iter().filter_map(Weak::upgrade).filter(|lease| !lease.is_lost()).collect()
    }
}

/// Why a worker ended before it was told to.
#[derive(Debug, thiserror::Error)]
pub enum WorkerError {
    /// Names the variable, and what is allowed.
    #[error("{0}")]
    Setting(String),
    #[error("a lane ended unexpectedly: {0}")]
    Lane(tokio::task::JoinError),
    #[error("cannot start: {0}")]
    Start(#[from] std::io::Error),
}

/// Runs until `stop` says so.
///
/// # Errors
/// At once when a setting is wrong or a server is of a kind that we cannot work with; later never, save for a fault of
/// our own.
pub async fn run(settings: &Settings, stop: Stop) -> Result<(), WorkerError> {
    let servers = settings.redis.servers().map_err(WorkerError::Setting)?;
    let lanes = settings.lanes();
    let message_max_bytes = settings.enrich.message_max_bytes;
    let producer =
        settings.kafka.producer(servers.len() * lanes, message_max_bytes).map_err(WorkerError::Setting)?;
    let enricher = Arc::new(Enricher::new(&settings.enrich).map_err(WorkerError::Setting)?);
    let troubles = Arc::new(Troubles::default());
    let worker = Arc::new(Worker {
        id: format!("{}-{}-{:08x}", upkeep::host_name(), std::process::id(), rand::random::<u32>()),
        started_at: epoch_seconds(),
        enricher,
        topics: Topics::default(),
        topic_prefix: settings.kafka.kafka_prefix.clone(),
        own_topics: settings.own_topics(),
        delivery: settings.delivery,
        has_delivered: AtomicBool::new(false),
        exactly_once: ExactlyOnce::new(
            &settings.kafka,
            &settings.exactly_once,
            &settings.redis.queue,
            producer.clone(),
            &troubles,
        )
        .map_err(WorkerError::Setting)?,
        dead_letters: settings
            .invalid_topic()
            .map(|topic| DeadLetters::new(topic, producer.clone(), Arc::clone(&troubles))),
        producer,
        troubles,
        strays: Seldom::default(),
        silence: Seldom::default(),
        asking: tokio::sync::Mutex::default(),
        batch_size: settings.batch_size(),
    });
    for server in &servers {
        check(server).await?;
    }
    info!(
        version = env!("CARGO_PKG_VERSION"),
        delivery = settings.delivery.as_str(),
        lanes,
        servers = servers.len(),
        brokers = settings.kafka.brokers(),
        "worker started"
    );
    let ended = work(&worker, servers, lanes, stop).await;
    info!("worker stopped");
    ended
}

async fn work(
    worker: &Arc<Worker>,
    servers: Vec<Server>,
    lanes: usize,
    stop: Stop,
) -> Result<(), WorkerError> {
    let mut keepers = JoinSet::new();
    let mut workers = JoinSet::new();
    let sources: Vec<Arc<Source>> = servers.into_iter().map(|server| Arc::new(Source::new(server))).collect();
    for source in &sources {
        keepers.spawn(source.idle.clone().run(source.server.clone()));
        keepers.spawn(upkeep::keep_leases(Arc::clone(source)));
        keepers.spawn(upkeep::beat(Arc::clone(worker), Arc::clone(source)));
        for _ in 0..lanes {
            let (worker, source, stop) = (Arc::clone(worker), Arc::clone(source), stop.clone());
            on_its_own_thread(&mut workers, move || lane::run(worker, source, stop))?;
        }
        let (worker, source, stop) = (Arc::clone(worker), Arc::clone(source), stop.clone());
        on_its_own_thread(&mut workers, async move || {
            recover::run(worker, source, stop).await;
            Ok(())
        })?;
    }
    keepers.spawn(upkeep::watch_country_database(Arc::clone(worker)));
    keepers.spawn(upkeep::report(sources.clone()));
    while let Some(ended) = workers.join_next().await {
        // Without one of its tasks a worker would go on half alive: better that it ends, and is started again.
        ended.map_err(WorkerError::Lane)??;
    }
    keepers.shutdown().await;
    for source in &sources {
        upkeep::retire(worker, source, &stop).await;
    }
    Ok(())
}

/// Enriching a batch takes milliseconds: on a thread of its own a lane holds up nobody's lease, and its connection to
/// Redis is served where its answers are used.
fn on_its_own_thread<F: Future<Output = Result<(), WorkerError>>>(
    threads: &mut JoinSet<Result<(), WorkerError>>,
    task: impl FnOnce() -> F + Send + 'static,
) -> Result<(), WorkerError> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    threads.spawn_blocking(move || {
        let ended = runtime.block_on(task());
        // A call of librdkafka that still waits for Kafka must not hold up a stop.
        runtime.shutdown_background();
        ended
    });
    Ok(())
}

/// A server that is away is waited for; one of the wrong kind never becomes right.
async fn check(server: &Server) -> Result<(), WorkerError> {
    match server.check().await {
        Ok(version) => info!(server = server.name(), version, "redis answers"),
        Err(Unsuitable::Redis(error)) => {
            warn!(server = server.name(), %error, "redis does not answer, trying again");
        }
        Err(unsuitable) => {
            error!(server = server.name(), "redis cannot be used");
            return Err(WorkerError::Setting(format!("REDIS_URL: {}: {unsuitable}", server.name())));
        }
    }
    Ok(())
}

/// The worker's own clock, for what does not go into a message.
fn epoch_seconds() -> i64 {
    let since_1970 = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO);
    i64::try_from(since_1970.as_secs()).unwrap_or(i64::MAX)
}
