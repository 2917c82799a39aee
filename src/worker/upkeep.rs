//! What goes on beside the lanes: leases are renewed, heartbeats sent, the country database looked after, and once a
//! minute a line says how it goes.

use std::sync::Arc;
use std::time::Duration;

use tracing::{debug, info, warn};

use super::{Source, Stop, Worker};
use crate::logging::Seldom;
use crate::queue::lease::RENEWAL;
use crate::queue::status::{self, Heartbeat};
use crate::queue::{Link, history, rest};
use crate::stats::{Counter, Figures};

/// How soon to try again when Redis does not answer: after it restarts, owners must be first at their leases.
const RETRY: Duration = Duration::from_millis(500);
const HEARTBEAT: Duration = Duration::from_secs(5);
const DATABASE_LOOK: Duration = Duration::from_secs(10);
const REPORT: Duration = Duration::from_secs(60);

/// Renews the leases of one server's lanes; never returns.
pub(super) async fn keep_leases(source: Arc<Source>) {
    let mut link = source.server.link();
    let told = Seldom::default();
    loop {
        let mut pause = RENEWAL;
        for lease in source.held_leases() {
            if let Err(error) = lease.renew(&mut link).await {
                if told.is_due() {
                    warn!(server = source.server.name(), %error, "lease not renewed, trying again");
                }
                pause = RETRY;
                break;
            }
        }
        tokio::time::sleep(pause).await;
    }
}

/// Says every few seconds that this worker lives; never returns.
pub(super) async fn beat(worker: Arc<Worker>, source: Arc<Source>) {
    loop {
        let prefix = source.server.keys().lease_prefix();
        let slot = |key: &str| key.strip_prefix(prefix)?.parse().ok();
        let heartbeat = Heartbeat {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            host: host_name(),
            pid: std::process::id(),
            started_at: worker.started_at,
            slots: source.held_leases().iter().filter_map(|lease| slot(lease.key())).collect(),
        };
        // At first the lanes have no slots yet. They also tell of a Redis that is away.
        let is_complete = !heartbeat.slots.is_empty();
        let mut link = source.link.lock().await;
        let is_told = status::beat(&mut link, &worker.id, &heartbeat).await.is_ok();
        if is_told {
            record(&worker, &source, &mut link).await;
        }
        drop(link);
        let pause = if is_told && is_complete { HEARTBEAT } else { RETRY };
        tokio::time::sleep(pause).await;
    }
}

/// Adds what was counted since the last time to what all workers have counted.
async fn record(worker: &Worker, source: &Source, link: &mut Link) {
    let (errors, retries) = worker.troubles.take();
    source.stats.count(Counter::KafkaErrors, errors);
    source.stats.count(Counter::KafkaRetries, retries);
    let counted = source.stats.take();
    if let Err(error) = history::record(link, &counted).await {
        debug!(server = source.server.name(), %error, "counts not told, trying again");
        source.stats.put_back(&counted);
    }
}

/// Takes this worker off the list of those that live, leaves the queue as others know it, and tells its last counts. A stop
/// waits once for a Redis that is away, not twice.
pub(super) async fn retire(worker: &Worker, source: &Source, stop: &Stop) {
    let server = source.server.name();
    let mut link = source.server.link();
    if let Err(error) = status::retire(&mut link, &worker.id).await {
        info!(server, %error, "heartbeat not withdrawn, it will run out");
        return;
    }
    tokio::select! {
        put_back = rest::put_back(&mut link, false) => if let Err(error) = put_back {
            info!(server, %error, "lines that wait were not put back into the queue, the next worker finds them");
        },
        () = stop.overdue() => info!(server, "lines that wait are left beside the queue for the next worker"),
    }
    record(worker, source, &mut link).await;
}

/// Looks for a newer country database; never returns.
pub(super) async fn watch_country_database(worker: Arc<Worker>) {
    loop {
        tokio::time::sleep(DATABASE_LOOK).await;
        let enricher = Arc::clone(&worker.enricher);
        let looked = tokio::task::spawn_blocking(move || enricher.countries().reload_if_changed()).await;
        if let Err(error) = looked {
            warn!(%error, "the country database could not be looked at");
        }
    }
}

/// Writes the figures of the last minute, under the names that the program of 2016 gave them; never returns.
pub(super) async fn report(sources: Vec<Arc<Source>>) {
    let all = || sources.iter().fold(Figures::default(), |sum, source| sum.plus(source.stats.figures()));
    let mut earlier = all();
    loop {
        tokio::time::sleep(REPORT).await;
        let now = all();
        let figures = now.since(earlier);
        earlier = now;
        let (mut queue_size, mut invalid_size) = (0, 0);
        for source in &sources {
            if let Ok(status) = status::read(&mut *source.link.lock().await).await {
                queue_size += status.depth;
                invalid_size += status.invalid;
            }
        }
        info!(
            clicks = figures.of(Counter::Delivered),
            clicks_invalid = figures.of(Counter::Rejected),
            clicks_failed = figures.of(Counter::Failed),
            timing.batch_insert = figures.batch_insert_ms(),
            click_queue_size = queue_size,
            click_invalid_queue_size = invalid_size,
            "the last minute"
        );
    }
}

/// The machine's name, for people to tell workers apart.
pub(super) fn host_name() -> String {
    // Not from /proc/sys, which the units of systemd hide.
    rustix::system::uname().nodename().to_string_lossy().into_owned()
}
