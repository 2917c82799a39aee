//! What is posted: lines go back to the queue, or away.
//!
//! A move that has begun is finished whether or not the browser waits for it.

use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::extract::State;
use axum::response::Response;
use indicatif::HumanCount;
use maud::html;
use serde::Deserialize;

use super::choice::{Choice, server};
use super::line::{self, One};
use super::outcome::Done;
use super::table::{confirmation, words};
use super::{TEXT_MAX_BYTES, TITLE, away, count, told};
use crate::payload::Reason;
use crate::payload::layout::Layout;
use crate::queue::batch::may_be_pushed;
use crate::queue::invalid::{self, Counts, Take, Taking};
use crate::web::raw::{self, ALONE};
use crate::web::source::{Away, Source};
use crate::web::visitor::{Posted, Visitor};
use crate::web::{Web, page};

/// How long all may take; what is left then is told. Proxies give up on us after 30 seconds.
const PATIENCE: Duration = Duration::from_secs(20);

pub(super) async fn replay(State(web): State<Arc<Web>>, posted: Posted<One>) -> Response {
    take_one(&web, &posted.form, Take::Replay).await
}

pub(super) async fn clear(State(web): State<Arc<Web>>, posted: Posted<One>) -> Response {
    let Posted { visitor, form: one } = posted;
    if is_yes(one.confirm.as_deref()) {
        return take_one(&web, &one, Take::Clear).await;
    }
    let Some((choice, source, id)) = one.find(&web) else { return page::not_found() };
    let entry = match line::find(source, id).await {
        Ok(Some(entry)) => entry,
        Ok(None) => return told(&choice, Done::Gone),
        Err(Away) => return away(),
    };
    let payload = entry.record.payload().unwrap_or_default();
    let layout = Layout::of(&payload, entry.record.known_reason());
    let shown = html! { p.card { (raw::marked(&payload, &layout, ALONE)) } };
    let fields = html! { input type="hidden" name="line" value=(id); };
    let body = confirmation(&visitor, &choice, "/badclicks/clear", "this line", &shown, &fields);
    page::page(TITLE, Some(&visitor), body)
}

async fn take_one(web: &Web, one: &One, what: Take) -> Response {
    let Some((choice, source, id)) = one.find(web) else { return page::not_found() };
    let mended = one.typed();
    if mended.as_ref().is_some_and(|line| line.len() > TEXT_MAX_BYTES || !may_be_pushed(line)) {
        return page::forbidden("No tracker can send such a line. Nothing was changed.");
    }
    let source = Arc::clone(source);
    let moving = tokio::spawn(async move {
        source.ask(async |link| invalid::take_one(link, what, id, mended.as_deref()).await).await
    });
    match moving.await.unwrap_or(Err(Away)) {
        Ok(true) => told(&choice, done(what, 1, true)),
        Ok(false) => told(&choice, Done::Gone),
        Err(Away) => away(),
    }
}

/// A form for many lines: those of one reason, or all; on one server, or on all.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Many {
    server: Option<String>,
    reason: Option<String>,
    confirm: Option<String>,
}

/// The lines that a form means.
struct Meant {
    choice: Choice,
    sources: Vec<Arc<Source>>,
}

impl Many {
    /// Nothing where there is no such server or reason: more than was meant must never be taken.
    fn meant(&self, web: &Web) -> Option<Meant> {
        let reason = match self.reason.as_deref() {
            None | Some("") => None,
            Some(name) => Some(Reason::named(name)?),
        };
        if self.server.is_none() {
            return Some(Meant { choice: Choice { server: 0, reason }, sources: web.sources.clone() });
        }
        let server = server(self.server.as_ref())?;
        let source = Arc::clone(web.sources.get(server)?);
        Some(Meant { choice: Choice { server, reason }, sources: vec![source] })
    }
}

pub(super) async fn replay_all(State(web): State<Arc<Web>>, posted: Posted<Many>) -> Response {
    match posted.form.meant(&web) {
        Some(meant) => take_all(meant, Take::Replay).await,
        None => page::not_found(),
    }
}

/// Asks first, unless the form says `confirm=yes`, as the original's did.
pub(super) async fn clear_all(State(web): State<Arc<Web>>, posted: Posted<Many>) -> Response {
    let Some(meant) = posted.form.meant(&web) else { return page::not_found() };
    if is_yes(posted.form.confirm.as_deref()) {
        return take_all(meant, Take::Clear).await;
    }
    match question(&posted.visitor, &meant).await {
        Ok(response) => response,
        Err(Away) => away(),
    }
}

async fn question(visitor: &Visitor, meant: &Meant) -> Result<Response, Away> {
    let mut counts = Counts::default();
    for source in &meant.sources {
        counts += count(source).await?;
    }
    let which = words(&meant.choice, &counts);
    let nothing = html! {};
    let body = confirmation(visitor, &meant.choice, "/badclicks/clear_all", &which, &nothing, &nothing);
    Ok(page::page(TITLE, Some(visitor), body))
}

fn is_yes(confirm: Option<&str>) -> bool {
    confirm == Some("yes")
}

async fn take_all(meant: Meant, what: Take) -> Response {
    let Meant { choice, sources } = meant;
    let moving = tokio::spawn(async move {
        let mut taken = 0;
        let deadline = Instant::now() + PATIENCE;
        for source in sources {
            let taking = Taking::new(what, choice.reason);
            match move_all(&source, taking, deadline).await {
                (more, Ok(true)) => taken += more,
                (more, Ok(false)) => return (taken + more, Ok(false)),
                (more, Err(Away)) => return (taken + more, Err(Away)),
            }
        }
        (taken, Ok(true))
    });
    match moving.await.unwrap_or((0, Err(Away))) {
        (taken, Ok(is_done)) => told(&choice, done(what, taken, is_done)),
        (0, Err(Away)) => away(),
        (taken, Err(Away)) => page::unavailable(&format!(
            "Redis does not answer any more. {} lines were taken before; each of the others is still in the list, or taken \
             too.",
            HumanCount(taken)
        )),
    }
}

/// How many lines were taken, and whether that was all. One call at a time, so that others get their turn in between.
async fn move_all(source: &Source, mut taking: Taking, deadline: Instant) -> (u64, Result<bool, Away>) {
    while Instant::now() < deadline {
        let step = source.ask(async |link| taking.step(link).await).await;
        match step {
            Ok(true) => {}
            Ok(false) => return (taking.taken(), Ok(true)),
            Err(Away) => return (taking.taken(), Err(Away)),
        }
    }
    (taking.taken(), Ok(false))
}

fn done(what: Take, lines: u64, is_all: bool) -> Done {
    match (what, is_all) {
        (Take::Replay, true) => Done::Replayed(lines),
        (Take::Replay, false) => Done::ReplayedSome(lines),
        (Take::Clear, true) => Done::Cleared(lines),
        (Take::Clear, false) => Done::ClearedSome(lines),
    }
}
