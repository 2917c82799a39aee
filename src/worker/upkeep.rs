//! What goes on beside the lanes: leases are renewed, heartbeats sent, the country database looked after, and once a
//! minute a line says how it goes.

use std::sync::Arc;
use std::time::Duration;

use tracing::{info, warn};

use super::{Source, Worker};
use crate::queue::Server;
use crate::queue::lease::RENEWAL;
use crate::queue::status::{self, Heartbeat};

/// How soon to try again when Redis does not answer: after it restarts, owners must be first at their leases.
const RETRY: Duration = Duration::from_millis(500);
const HEARTBEAT: Duration = Duration::from_secs(5);
const DATABASE_LOOK: Duration = Duration::from_secs(10);
const REPORT: Duration = Duration::from_secs(60);

/// Renews the leases of one server's lanes; never returns.
pub(super) async fn keep_leases(source: Arc<Source>) {
    let mut link = source.server.link();
    loop {
        let mut pause = RENEWAL;
        for lease in source.held_leases() {
            if let Err(error) = lease.renew(&mut link).await {
                warn!(server = source.server.name(), %error, "lease not renewed, trying again");
                pause = RETRY;
                break;
            }
        }
        tokio::time::sleep(pause).await;
    }
}

/// Says every few seconds that this worker lives; never returns.
pub(super) async fn beat(worker: Arc<Worker>, source: Arc<Source>) {
    let mut link = source.server.link();
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
        let is_told = status::beat(&mut link, &worker.id, &heartbeat).await.is_ok();
        let pause = if is_told && is_complete { HEARTBEAT } else { RETRY };
        tokio::time::sleep(pause).await;
    }
}

/// Takes this worker off the list of those that live.
pub(super) async fn retire(worker: &Worker, source: &Source) {
    if let Err(error) = status::retire(&mut source.server.link(), &worker.id).await {
        info!(server = source.server.name(), %error, "heartbeat not withdrawn, it will run out");
    }
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
pub(super) async fn report(worker: Arc<Worker>, sources: Vec<Arc<Source>>) {
    let mut earlier = worker.stats.figures();
    loop {
        tokio::time::sleep(REPORT).await;
        let now = worker.stats.figures();
        let figures = now.since(earlier);
        earlier = now;
        let (mut queue_size, mut invalid_size) = (0, 0);
        for source in &sources {
            let (queue, invalid) = sizes(&source.server).await.unwrap_or_default();
            queue_size += queue;
            invalid_size += invalid;
        }
        info!(
            clicks = figures.delivered,
            clicks_invalid = figures.rejected,
            clicks_failed = figures.failed,
            timing.batch_insert = figures.batch_insert_ms(),
            click_queue_size = queue_size,
            click_invalid_queue_size = invalid_size,
            "the last minute"
        );
    }
}

async fn sizes(server: &Server) -> Result<(u64, u64), redis::RedisError> {
    let status = status::read(&mut server.link()).await?;
    Ok((status.depth, status.invalid))
}

/// The machine's name, for people to tell workers apart.
pub(super) fn host_name() -> String {
    let name = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    name.trim().to_owned()
}
