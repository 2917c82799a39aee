//! `/badclicks`: the rejected lines: looked at, mended, sent through again, thrown away.
//!
//! - `choice`: which lines a page or a form means
//! - `table`: the page with many lines
//! - `line`: the page with one, where it can be mended
//! - `actions`: what is posted
//! - `outcome`: what came of it, told on the next page
//!
//! No line ever stands in an address: addresses are logged, and kept by browsers.

mod actions;
mod choice;
mod line;
mod outcome;
mod table;

use std::sync::Arc;

use axum::Router;
use axum::extract::{DefaultBodyLimit, RawQuery, State};
use axum::http::header;
use axum::response::{IntoResponse, Redirect, Response};
use axum::routing::get;

use super::explain::{FORM_MAX_BYTES, TEXT_MAX_BYTES};
use super::source::{Away, Source};
use super::visitor::Visitor;
use super::{Web, page};
use crate::queue::invalid::{self, Counts, Entry};
use choice::{Choice, Wanted};
use outcome::Done;

const TITLE: &str = "Bad lines";
const HOME: &str = "/badclicks";
/// Lines on a page.
const PAGE_LINES: usize = 50;
/// How many calls a page makes at most to find them, where few lines have the reason that is looked for; as many as it takes
/// to look through a list that is as long as `INVALID_MAX` lets it become by itself.
const PAGE_CALLS: usize = 200;
pub(super) fn routes() -> Router<Arc<Web>> {
    let back = async || Redirect::to(HOME);
    Router::new()
        .route(HOME, get(many))
        .route("/badclicks/line", get(line::get).post(line::post))
        .route("/badclicks/replay", get(back).post(actions::replay))
        .route("/badclicks/replay_all", get(back).post(actions::replay_all))
        .route("/badclicks/clear", get(back).post(actions::clear))
        .route("/badclicks/clear_all", get(back).post(actions::clear_all))
        .layer(DefaultBodyLimit::max(FORM_MAX_BYTES))
}

/// What a page shows.
struct Found {
    counts: Counts,
    /// The newest first.
    entries: Vec<Entry>,
    /// Where older ones begin.
    older: Option<usize>,
}

async fn many(visitor: Visitor, State(web): State<Arc<Web>>, RawQuery(query): RawQuery) -> Response {
    let wanted: Wanted = read(query);
    let Some((choice, source)) = wanted.choice(&web) else { return page::not_found() };
    match look(source, &choice, wanted.before()).await {
        Ok(found) => {
            let body = table::page(&visitor, &web.names(), &choice, &found, wanted.done(), wanted.is_older());
            page::page(TITLE, Some(&visitor), body)
        }
        Err(Away) => away(),
    }
}

/// A query that makes no sense says nothing.
fn read<T: Default + serde::de::DeserializeOwned>(query: Option<String>) -> T {
    query.and_then(|query| serde_html_form::from_str(&query).ok()).unwrap_or_default()
}

fn away() -> Response {
    page::unavailable("Redis does not answer just now. No line is lost.")
}

/// Many small calls, so that others get their turn in between.
async fn look(source: &Source, choice: &Choice, before: Option<usize>) -> Result<Found, Away> {
    let mut found = Found { counts: count(source).await?, entries: Vec::new(), older: before };
    for call in 0..PAGE_CALLS {
        let (last, wanted, reason) = (found.older, PAGE_LINES - found.entries.len(), choice.reason);
        if wanted == 0 || (call > 0 && last.is_none()) {
            break;
        }
        let some = source.ask(async |link| invalid::older(link, last, wanted, reason).await).await?;
        found.entries.extend(some.entries);
        found.older = some.next;
    }
    Ok(found)
}

async fn count(source: &Source) -> Result<Counts, Away> {
    let mut counts = Counts::default();
    let mut next = Some(0);
    while let Some(first) = next {
        let so_far = counts.clone();
        (counts, next) = source
            .ask(async |link| {
                let mut counts = so_far;
                let next = invalid::count(link, first, &mut counts).await?;
                Ok((counts, next))
            })
            .await?;
    }
    Ok(counts)
}

/// To the table, where the visitor reads what came of it.
fn told(choice: &Choice, done: Done) -> Response {
    let to = choice.href(&[("done", done.word()), ("lines", &done.lines().to_string())]);
    ([(header::CACHE_CONTROL, "no-store")], Redirect::to(&to)).into_response()
}

#[cfg(test)]
mod tests;
