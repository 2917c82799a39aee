//! What would become of a line, as a worker would see it: the same settings, the same country database.

use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use maud::{Markup, html};
use tokio::sync::Mutex;
use tracing::warn;

use super::raw::{self, ALONE};
use crate::enrich::{self, Enricher, Explained};
use crate::payload::layout::Layout;
use crate::payload::{Reason, Rejection};

/// More parameters than these are not shown one by one.
const PARAMS: usize = 200;

/// Opened when it is first asked for: most who look at the pages never do, and the database takes time and memory.
pub(super) struct Explainer {
    settings: enrich::Settings,
    enricher: Mutex<Option<Arc<Enricher>>>,
}

impl Explainer {
    pub fn new(settings: enrich::Settings) -> Self {
        Self { settings, enricher: Mutex::default() }
    }

    /// What becomes of a line that is reserved now.
    pub async fn explain<'a>(&self, line: &'a [u8]) -> Outcome<'a> {
        match self.enricher().await {
            Ok(enricher) => match enricher.explain(line, epoch_seconds()) {
                Ok(explained) => Outcome::Accepted(Box::new(explained)),
                Err(rejection) => Outcome::Rejected(rejection),
            },
            Err(why) => Outcome::Unknown(why),
        }
    }

    /// One that cannot be opened is tried again the next time.
    async fn enricher(&self) -> Result<Arc<Enricher>, String> {
        let mut kept = self.enricher.lock().await;
        let known = kept.clone();
        let settings = self.settings.clone();
        let opened = tokio::task::spawn_blocking(move || match known {
            Some(enricher) => {
                // It tells the log itself when a new file is no good.
                enricher.countries().reload_if_changed();
                Ok(enricher)
            }
            None => Enricher::new(&settings).map(Arc::new),
        });
        let enricher = opened.await.map_err(|_| "the enrichment broke down".to_owned())?;
        let enricher = enricher.inspect_err(|error| warn!(error, "lines cannot be explained"))?;
        *kept = Some(Arc::clone(&enricher));
        Ok(enricher)
    }
}

fn epoch_seconds() -> i64 {
    let since_1970 = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since_1970.as_secs()).unwrap_or(i64::MAX)
}

/// What becomes of a line.
#[derive(Debug)]
pub(super) enum Outcome<'a> {
    Accepted(Box<Explained<'a>>),
    Rejected(Rejection),
    /// Nobody can tell, and why.
    Unknown(String),
}

impl Outcome<'_> {
    fn reason(&self) -> Option<Reason> {
        match self {
            Self::Rejected(rejection) => Some(rejection.reason),
            Self::Accepted(_) | Self::Unknown(_) => None,
        }
    }

    /// For a page: the verdict, the fields, and the message where there is one.
    pub fn shown(&self, line: &[u8]) -> Markup {
        html! {
            @match self {
                Self::Accepted(_) => p.notice.good role="status" { "This line is fine: it becomes a message." },
                Self::Rejected(rejection) => p.notice.bad role="status" {
                    "This line is rejected: " span.badge.bad { (rejection.reason) } " "
                    (raw::shown(rejection.detail.as_bytes(), ALONE))
                },
                Self::Unknown(why) => p.notice.warn role="status" {
                    "Whether this line is fine cannot be told: " (raw::shown(why.as_bytes(), ALONE))
                },
            }
            (fields(line, &Layout::of(line, self.reason())))
            @if let Self::Accepted(explained) = self { (message(explained)) }
        }
    }
}

fn fields(line: &[u8], layout: &Layout) -> Markup {
    html! {
        section.card aria-labelledby="fields" {
            h2 #fields { "The line" }
            div.field { (raw::marked(line, layout, ALONE)) }
            @if !layout.fields.is_empty() {
                div.table tabindex="0" role="region" aria-label="Fields of the line" {
                    table {
                        thead { tr { th scope="col" { "Field" } th scope="col" { "Bytes" } th scope="col" { "Content" } } }
                        tbody {
                            @for (field, range) in &layout.fields {
                                tr {
                                    th scope="row" { (field) }
                                    td.number { (range.start) "–" (range.end - 1) }
                                    td { code.raw {
                                        @if layout.offending.as_ref() == Some(range) {
                                            mark { (raw::shown(&line[range.clone()], ALONE)) }
                                        } @else {
                                            (raw::shown(&line[range.clone()], ALONE))
                                        }
                                    } }
                                }
                            }
                        }
                    }
                }
            }
        }
    }
}

fn message(explained: &Explained<'_>) -> Markup {
    let read_back = explained.read_back();
    let known = |value: &Option<String>| value.clone();
    let meta = [
        ("bot_name", known(&read_back.bot_name)),
        ("country", known(&read_back.country)),
        ("device", known(&read_back.device)),
        ("device_name", known(&read_back.device_name)),
        ("ip", Some(format!("{} ({})", read_back.ip, explained.payload.address))),
        ("klag", Some(format!("{} seconds, were it reserved now", read_back.klag))),
        ("platform", known(&read_back.platform)),
        ("ts", Some(format!("{} ({} UTC)", read_back.ts, super::time::text(read_back.ts)))),
    ];
    let params = explained.params();
    html! {
        section.card aria-labelledby="message" {
            h2 #message { "The message" }
            p { "For topic " code.raw { (raw::shown(explained.payload.topic.as_bytes(), ALONE)) } ", as it would stand in Kafka:" }
            div.field { code.raw { (raw::shown(&explained.message, ALONE)) } }
            h3 { "Meta" }
            (pairs(meta.iter().map(|(key, value)| (key.as_bytes(), value.as_deref().map(str::as_bytes)))))
            h3 { "Params" }
            (pairs(params.iter().take(PARAMS).map(|(key, value)| (key.as_bytes(), Some(value.as_bytes())))))
            @if params.len() > PARAMS { p.muted { "And " (params.len() - PARAMS) " more." } }
        }
    }
}

fn pairs<'a>(pairs: impl Iterator<Item = (&'a [u8], Option<&'a [u8]>)>) -> Markup {
    html! {
        dl.pairs {
            @for (key, value) in pairs {
                dt { code.raw { (raw::shown(key, ALONE)) } }
                dd {
                    @match value {
                        Some(value) => code.raw { (raw::shown(value, ALONE)) },
                        None => span.muted { "unknown" },
                    }
                }
            }
        }
    }
}
