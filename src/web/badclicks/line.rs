//! The page with one line: what is wrong with it, and what becomes of it when it is mended.

use std::sync::Arc;

use axum::extract::{RawQuery, State};
use axum::response::Response;
use indicatif::HumanCount;
use maud::{Markup, html};
use serde::Deserialize;

use super::choice::{Choice, server};
use super::outcome::Done;
use super::table::choice_fields;
use super::{TEXT_MAX_BYTES, TITLE, away, read, told};
use crate::payload::Reason;
use crate::payload::layout::Layout;
use crate::queue::invalid::{self, Entry, Id};
use crate::visible;
use crate::web::enriching::Outcome;
use crate::web::explain::{field, line_of};
use crate::web::raw::{self, ALONE};
use crate::web::source::{Away, Source};
use crate::web::visitor::{Posted, Visitor};
use crate::web::{Web, page, time};

/// One line, by the server and its name there.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct One {
    server: Option<String>,
    line: Option<String>,
    /// The lines that the visitor looks at, to go back to them.
    reason: Option<String>,
    /// What it is to become.
    text: Option<String>,
    /// `yes` where somebody has been asked.
    pub confirm: Option<String>,
}

impl One {
    /// Nothing where there is no such server, or that is no line's name.
    pub fn find<'a>(&self, web: &'a Web) -> Option<(Choice, &'a Arc<Source>, Id)> {
        let server = server(self.server.as_ref())?;
        let id = self.line.as_deref()?.parse().ok()?;
        let reason = self.reason.as_deref().and_then(Reason::named);
        Some((Choice { server, reason }, web.sources.get(server)?, id))
    }

    /// The line that was typed, if any was.
    pub fn typed(&self) -> Option<Vec<u8>> {
        self.text.as_deref().map(line_of)
    }
}

/// As it stands in the list.
pub(super) async fn get(
    visitor: Visitor,
    State(web): State<Arc<Web>>,
    RawQuery(query): RawQuery,
) -> Response {
    let one = One { text: None, ..read(query) };
    show(&visitor, &web, &one).await
}

/// As it would become.
pub(super) async fn post(State(web): State<Arc<Web>>, posted: Posted<One>) -> Response {
    show(&posted.visitor, &web, &posted.form).await
}

async fn show(visitor: &Visitor, web: &Web, one: &One) -> Response {
    let Some((choice, source, id)) = one.find(web) else { return page::not_found() };
    let entry = match find(source, id).await {
        Ok(Some(entry)) => entry,
        Ok(None) => return told(&choice, Done::Gone),
        Err(Away) => return away(),
    };
    let payload = entry.record.payload().unwrap_or_default();
    let line = one.typed();
    let line = line.as_deref().unwrap_or(&payload);
    let outcome = web.explainer.explain(line).await;
    page::page(TITLE, Some(visitor), body(visitor, &choice, &entry, &payload, line, &outcome))
}

pub(super) async fn find(source: &Source, id: Id) -> Result<Option<Entry>, Away> {
    source.ask(async |link| invalid::find(link, id).await).await
}

pub(super) fn body(
    visitor: &Visitor,
    choice: &Choice,
    entry: &Entry,
    payload: &[u8],
    line: &[u8],
    outcome: &Outcome<'_>,
) -> Markup {
    html! {
        p { a href=(choice.href(&[])) { "All bad lines" } }
        (record(entry, payload))
        form.card method="post" action="/badclicks/replay" {
            (visitor.csrf_field())
            (choice_fields(choice))
            input type="hidden" name="line" value=(entry.id);
            @if line.len() <= TEXT_MAX_BYTES {
                div.field { (field(&visible::typed(line))) }
                div.row {
                    button type="submit" formaction="/badclicks/line" { "See what it becomes" }
                    button.quiet type="submit" { "Replay as it stands here" }
                }
            } @else {
                p { "It has " (HumanCount(line.len() as u64)) " bytes, and is too long to be mended here." }
                button.quiet type="submit" { "Replay as it is" }
            }
        }
        (outcome.shown(line))
    }
}

fn record(entry: &Entry, payload: &[u8]) -> Markup {
    let record = &entry.record;
    html! {
        section.card aria-labelledby="record" {
            h2 #record { "As it was rejected" }
            p {
                span.badge.bad { (raw::shown(record.reason.as_bytes(), ALONE)) } " "
                (raw::shown(record.detail.as_bytes(), ALONE))
                span.muted { ", " (time::element(record.at)) " UTC" }
            }
            div.field { (raw::marked(payload, &Layout::of(payload, record.known_reason()), ALONE)) }
        }
    }
}
