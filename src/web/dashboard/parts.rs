//! The parts of the overview that change. Everything that comes from outside is escaped by maud.

use std::sync::Arc;

use indicatif::HumanCount;
use maud::{Markup, html};

use super::history;
use crate::queue::history::{Names, Point};
use crate::queue::status::FRESH_SECONDS;
use crate::stats::histogram::Distribution;
use crate::stats::sample::{Kind, Recent};
use crate::web::Web;
use crate::web::health;
use crate::web::snapshot::{Rates, Snapshot};
use crate::web::source::Away;

/// How many names of a kind are shown.
const TOPS: usize = 8;
/// Last messages that are shown.
const RECENT: usize = 10;

/// What all servers hold at one moment.
pub struct Shown {
    /// Names of the servers, and what they hold.
    servers: Vec<(String, Result<Arc<Snapshot>, Away>)>,
    faults: Vec<String>,
    names: Arc<Names>,
    /// Of all servers, the newest first.
    recent: Vec<Recent>,
}

impl Shown {
    pub async fn look(web: &Web) -> Self {
        let snapshots = web.snapshots().await;
        let faults = health::faults(&snapshots);
        let names = history::names(web).await;
        let mut recent = Vec::new();
        for totals in web.totals().await.into_iter().flatten() {
            recent.extend(totals.recent.iter().rev().cloned());
        }
        recent.truncate(RECENT);
        let servers = web.sources.iter().map(|source| source.name().to_owned()).zip(snapshots).collect();
        Self { servers, faults, names, recent }
    }

    fn answered(&self) -> impl Iterator<Item = (&str, &Snapshot)> {
        self.servers.iter().filter_map(|(name, server)| Some((name.as_str(), server.as_deref().ok()?)))
    }

    fn sum(&self, value: impl Fn(&Snapshot) -> u64) -> u64 {
        self.answered().map(|(_, server)| value(server)).sum()
    }

    pub fn health(&self) -> Markup {
        let is_paused = self.answered().any(|(_, server)| server.status.is_paused);
        html! {
            @if !self.faults.is_empty() {
                p.notice.bad { @for fault in &self.faults { (fault) ". " } }
            } @else if is_paused {
                p.notice.warn { "Paused: workers reserve nothing until " code { "kafkastore resume" } "." }
            } @else {
                p.notice.good { "All is well." }
            }
        }
    }

    pub fn figures(&self) -> Markup {
        let mut rates: Option<Rates> = None;
        let mut minute = Point::default();
        for (_, server) in self.answered() {
            rates = Some(rates.map_or(server.rates, |sum| sum.plus(server.rates)));
            minute.add(&server.minute);
        }
        let rates = rates.unwrap_or_default();
        let oldest = self.answered().filter_map(|(_, server)| server.status.oldest_seconds).max();
        let lag = |share| minute.lag.quantile(Distribution::Lag, share).map_or("–".to_owned(), seconds);
        let figures = [
            (
                "Queue",
                lines(self.sum(|server| server.status.depth)),
                match rates.seconds_to_drain {
                    Some(left) if left > 0.0 => format!("empty in {}", seconds(left)),
                    Some(_) => "empty".to_owned(),
                    None => "does not get shorter".to_owned(),
                },
            ),
            ("Events a second", rate(rates.rate_out), format!("{} come in", rate(rates.rate_in))),
            ("Lag", lag(0.5), format!("99th percentile {}", lag(0.99))),
            (
                "Oldest event",
                oldest.map_or("–".to_owned(), |age| seconds(age as f64)),
                "at the head of the queue".to_owned(),
            ),
            (
                "In flight",
                lines(self.sum(|server| server.status.in_flight)),
                "reserved, not yet acknowledged".to_owned(),
            ),
        ];
        let invalid = self.sum(|server| server.status.invalid);
        html! {
            dl.figures {
                @for (name, value, more) in figures {
                    div.figure { dt { (name) } dd { (value) } dd.hint { (more) } }
                }
                div.figure {
                    dt { a href="/badclicks" { "Bad lines" } }
                    dd { (lines(invalid)) }
                    dd.hint { (rate(rates.rate_rejected)) " a second" }
                }
            }
        }
    }

    pub fn workers(&self) -> Markup {
        let workers: Vec<_> = self
            .answered()
            .flat_map(|(server, now)| now.status.workers.iter().map(move |worker| (server, worker)))
            .collect();
        html! {
            @if workers.is_empty() {
                p.muted { "No worker has been heard of within the last minute." }
            } @else {
                div.table tabindex="0" role="region" aria-label="Workers" { table {
                    thead { tr { th { "Host" } th.number { "Process" } th { "Version" } th { "Redis" } th { "Slots" } th { "Heard of" } } }
                    tbody { @for (server, worker) in workers { tr {
                        td { (worker.said.host) }
                        td.number { (worker.said.pid) }
                        td { (worker.said.version) }
                        td { (server) }
                        td { (slots(&worker.said.slots)) }
                        td { span.badge.good[worker.last_heartbeat <= FRESH_SECONDS].bad[worker.last_heartbeat > FRESH_SECONDS] {
                            (worker.last_heartbeat) " s ago"
                        } }
                    } } }
                } }
            }
        }
    }

    pub fn tops(&self) -> Markup {
        let title = |kind| match kind {
            Kind::Country => "Countries",
            Kind::Platform => "Platforms",
            Kind::Device => "Devices",
            Kind::Bot => "Bots",
            Kind::Topic => "Topics",
        };
        html! { div.grid { @for kind in Kind::ALL { section.card {
            h3 { (title(kind)) }
            @let (most, all) = self.most(kind);
            @if most.is_empty() { p.muted { "none" } } @else {
                ol.tops { @for (name, count) in most { li {
                    span.name { (name) }
                    progress max=(all) value=(count) aria-label=(name) {}
                    span.share { (share(count, all)) }
                } } }
            }
        } } } }
    }

    /// The names of a kind with the most lines, and the lines of all.
    fn most(&self, kind: Kind) -> (Vec<(&str, u64)>, u64) {
        let Some(names) = self.names.get(&kind) else { return (Vec::new(), 0) };
        let mut most: Vec<(&str, u64)> = names.iter().map(|(name, lines)| (name.as_str(), *lines)).collect();
        most.sort_by_key(|(name, lines)| (std::cmp::Reverse(*lines), *name));
        let all = most.iter().map(|(_, lines)| lines).sum();
        most.truncate(TOPS);
        (most, all)
    }

    pub fn recent(&self) -> Markup {
        html! {
            @if self.recent.is_empty() { p.muted { "No message has been delivered yet." } } @else {
                div.messages.card tabindex="0" role="region" aria-label="Last messages" { ul { @for message in &self.recent { li {
                    span.badge { (message.topic) } " " code { (message.message) }
                } } } }
            }
        }
    }
}

fn lines(count: u64) -> String {
    HumanCount(count).to_string()
}

fn rate(value: f64) -> String {
    if value >= 10.0 { lines(value.round() as u64) } else { format!("{value:.1}") }
}

fn seconds(value: f64) -> String {
    match value {
        value if value < 10.0 => format!("{value:.1} s"),
        value if value < 120.0 => format!("{value:.0} s"),
        value if value < 7200.0 => format!("{:.0} min", value / 60.0),
        value if value < 172_800.0 => format!("{:.0} h", value / 3600.0),
        value => format!("{:.0} days", value / 86_400.0),
    }
}

fn share(count: u64, all: u64) -> String {
    format!("{:.0} %", 100.0 * count as f64 / all.max(1) as f64)
}

fn slots(slots: &[u64]) -> String {
    let slots: Vec<String> = slots.iter().map(u64::to_string).collect();
    slots.join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::queue::status::{Heartbeat, Status, Worker};

    const HOSTILE: &str = "<script>alert(1)</script>\"'&<img src=x onerror=alert(1)>";

    fn hostile() -> Shown {
        let said = Heartbeat {
            version: HOSTILE.into(),
            host: HOSTILE.into(),
            pid: 1,
            started_at: 0,
            slots: vec![0, 2],
        };
        let status = Status {
            server: HOSTILE.into(),
            now: 0,
            queue: HOSTILE.into(),
            depth: 1_234_567,
            in_flight: 5,
            invalid: 6,
            oldest_seconds: Some(90),
            is_paused: false,
            delivered: 0,
            rejected: [].into(),
            workers: vec![Worker { id: HOSTILE.into(), last_heartbeat: 99, said }],
        };
        let snapshot = Snapshot {
            status,
            rates: Rates { rate_out: 1234.5, seconds_to_drain: Some(60.0), ..Rates::default() },
            minute: Point::default(),
        };
        let names = Kind::ALL.map(|kind| (kind, [(HOSTILE.to_owned(), 3), ("DE".to_owned(), 1)].into()));
        Shown {
            servers: vec![(HOSTILE.into(), Ok(Arc::new(snapshot))), ("b".into(), Err(Away))],
            faults: vec![HOSTILE.into()],
            names: Arc::new(names.into()),
            recent: vec![Recent { topic: HOSTILE.into(), message: HOSTILE.into() }],
        }
    }

    #[test]
    fn nothing_that_comes_from_outside_is_markup() {
        let shown = hostile();
        for part in [shown.health(), shown.figures(), shown.workers(), shown.tops(), shown.recent()] {
            let part = part.into_string();
            assert!(!part.contains("<script") && !part.contains("<img"), "{part}");
            assert!(!part.contains("\"'&"), "{part}");
        }
    }

    #[test]
    fn figures_are_readable() {
        let figures = hostile().figures().into_string();
        for part in ["1,234,567", "1,235", "empty in 60 s", "90 s"] {
            assert!(figures.contains(part), "{part} is not in {figures}");
        }
        let tops = hostile().tops().into_string();
        assert!(tops.contains("75 %") && tops.contains("<progress max=\"4\" value=\"3\""), "{tops}");
    }
}
