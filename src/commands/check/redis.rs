//! One Redis server: reachable, of the right kind, and how safe lines are in it.

use std::collections::HashMap;
use std::io;

use ::redis::aio::MultiplexedConnection;
use ::redis::{ErrorKind, RedisError};

use super::Report;
use crate::queue::server::{ANSWER_TIMEOUT, Keys, Unsuitable};
use crate::queue::{Delivery, Server, status};

pub(super) async fn check(server: &Server, delivery: Delivery, report: &mut Report) -> io::Result<()> {
    let name = format!("redis {}", server.name());
    match server.check().await {
        Ok(version) => report.ok(&format!("{name}: {version} answers"))?,
        Err(Unsuitable::Redis(error)) if is_refusal(&error) => {
            return report.wrong(&format!("REDIS_URL: {name}: {error}"));
        }
        Err(Unsuitable::Redis(error)) => {
            return report.missing(&format!("{name}: {error}: start it, or mend REDIS_URL"));
        }
        Err(unsuitable) => return report.wrong(&format!("REDIS_URL: {name}: {unsuitable}")),
    }
    if let Err(error) = check_further(server, &name, delivery, report).await? {
        report.missing(&format!("{name}: {error}"))?;
    }
    Ok(())
}

fn is_refusal(error: &RedisError) -> bool {
    error.kind() == ErrorKind::AuthenticationFailed || matches!(error.code(), Some("NOAUTH" | "NOPERM"))
}

async fn check_further(
    server: &Server,
    name: &str,
    delivery: Delivery,
    report: &mut Report,
) -> io::Result<Result<(), RedisError>> {
    let found = async {
        let mut connection = server.connect(ANSWER_TIMEOUT).await?;
        let types = wrong_types(&mut connection, server.keys()).await?;
        let facts = Facts::read(&mut connection).await?;
        let is_paused = types.is_empty() && status::read(&mut server.link()).await?.is_paused;
        Ok((types, facts, is_paused))
    };
    let (types, facts, is_paused) = match found.await {
        Ok(found) => found,
        Err(error) => return Ok(Err(error)),
    };
    for wrong in &types {
        report.wrong(&format!("{name}: {wrong}"))?;
    }
    // Takes nobody off the list of workers, but shows that scripts run and may write.
    match status::retire(&mut server.link(), "nobody").await {
        Ok(()) if types.is_empty() => report.ok(&format!("{name}: the keys are sound, scripts may write"))?,
        Ok(()) => {}
        Err(error) => report.wrong(&format!("REDIS_URL: {name}: scripts may not write: {error}"))?,
    }
    if is_paused {
        report
            .warn(&format!("{name}: {} is paused, workers take nothing: run resume", server.keys().queue))?;
    }
    let warnings = facts.warnings(delivery);
    for warning in &warnings {
        report.warn(&format!("{name}: {warning}"))?;
    }
    if warnings.is_empty() {
        report.ok(&format!("{name}: every line is on disk before a tracker's push is answered"))?;
    }
    Ok(Ok(()))
}

/// Keys of ours that hold something else, as when another program uses the same name.
async fn wrong_types(connection: &mut MultiplexedConnection, keys: &Keys) -> Result<Vec<String>, RedisError> {
    let expected = [
        (&keys.queue, "list", "QUEUE"),
        (&keys.invalid, "list", "INVALID_QUEUE"),
        (&keys.batches, "hash", "QUEUE"),
        (&keys.seq, "hash", "QUEUE"),
        (&keys.paused, "string", "QUEUE"),
        (&keys.workers, "hash", "QUEUE"),
        (&keys.totals, "hash", "QUEUE"),
        (&keys.topics, "hash", "QUEUE"),
    ];
    let mut pipeline = ::redis::pipe();
    for (key, ..) in &expected {
        pipeline.cmd("TYPE").arg(key);
    }
    let found: Vec<String> = pipeline.query_async(connection).await?;
    let wrong = expected.iter().zip(found).filter(|((_, kind, _), found)| kind != found && found != "none");
    Ok(wrong
        .map(|((key, kind, variable), found)| {
            format!("{key} holds a {found} where a {kind} is needed: another program uses it, set {variable}")
        })
        .collect())
}

/// What decides how safe lines are.
#[derive(Debug, Default)]
struct Facts {
    maxmemory: u64,
    used_memory: u64,
    policy: String,
    is_replica: bool,
    replicas: u64,
    has_appendonly: bool,
    /// Nothing where the server does not say.
    appendfsync: Option<String>,
}

impl Facts {
    async fn read(connection: &mut MultiplexedConnection) -> Result<Self, RedisError> {
        let info: String = ::redis::cmd("INFO").query_async(connection).await?;
        let value = |key: &str| {
            info.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix(':')).unwrap_or_default().trim()
        };
        // Many providers do not let one ask.
        let config: Result<HashMap<String, String>, RedisError> =
            ::redis::cmd("CONFIG").arg("GET").arg("appendfsync").query_async(connection).await;
        Ok(Self {
            maxmemory: value("maxmemory").parse().unwrap_or_default(),
            used_memory: value("used_memory").parse().unwrap_or_default(),
            policy: value("maxmemory_policy").to_owned(),
            is_replica: value("role") == "slave",
            replicas: value("connected_slaves").parse().unwrap_or_default(),
            has_appendonly: value("aof_enabled") == "1",
            appendfsync: config.ok().and_then(|mut config| config.remove("appendfsync")),
        })
    }

    fn warnings(&self, delivery: Delivery) -> Vec<String> {
        let mut warnings = Vec::new();
        if delivery == Delivery::ExactlyOnce && self.replicas > 0 {
            warnings.push(
                "it has replicas: a failover to one that lags behind brings lines back that were delivered, and loses \
                 others; exactly-once holds without one only"
                    .to_owned(),
            );
        }
        if self.is_replica {
            warnings.push("it is a replica: trackers and workers need the master".to_owned());
        }
        if self.policy != "noeviction" && !self.policy.starts_with("volatile-") {
            warnings.push(format!(
                "maxmemory-policy is {}: at its memory limit it throws whole queues away, set noeviction",
                self.policy
            ));
        }
        if self.maxmemory > 0 && self.used_memory > self.maxmemory / 10 * 9 {
            warnings.push("more than 90 % of maxmemory is used: soon trackers cannot push".to_owned());
        }
        match self.appendfsync.as_deref() {
            _ if !self.has_appendonly => warnings.push(
                "appendonly is off: a crash loses what came since its last snapshot, set appendonly yes".to_owned(),
            ),
            Some("always") => {}
            Some("everysec") => warnings.push(
                "appendfsync is everysec: a crash may lose the last second or two, set always where that is too much"
                    .to_owned(),
            ),
            Some(other) => warnings.push(format!(
                "appendfsync is {other}: a crash of the machine may lose the last half minute, set always or everysec"
            )),
            None => warnings.push(
                "it does not say when it writes to disk: ask its provider what a crash may lose".to_owned(),
            ),
        }
        warnings
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_crash_or_a_limit_may_lose_is_said() {
        let safe = || Facts {
            policy: "noeviction".into(),
            has_appendonly: true,
            appendfsync: Some("always".into()),
            ..Facts::default()
        };
        let at_least_once = |facts: &Facts| facts.warnings(Delivery::AtLeastOnce).len();
        assert_eq!(at_least_once(&safe()), 0);
        assert_eq!(at_least_once(&Facts { policy: "volatile-lru".into(), ..safe() }), 0);
        let with_replica = Facts { replicas: 1, ..safe() };
        assert_eq!(at_least_once(&with_replica), 0);
        assert_eq!(with_replica.warnings(Delivery::ExactlyOnce).len(), 1);
        let unsafe_ones = [
            Facts { policy: "allkeys-lru".into(), ..safe() },
            Facts { has_appendonly: false, ..safe() },
            Facts { appendfsync: Some("everysec".into()), ..safe() },
            Facts { appendfsync: Some("no".into()), ..safe() },
            Facts { appendfsync: None, ..safe() },
            Facts { maxmemory: 1000, used_memory: 950, ..safe() },
            Facts { is_replica: true, ..safe() },
        ];
        for facts in unsafe_ones {
            assert_eq!(at_least_once(&facts), 1, "{facts:?}");
        }
    }
}
