//! `/explain`: what becomes of a line that somebody pastes. By POST, so that no line gets into an access log.

use std::sync::Arc;

use axum::extract::{DefaultBodyLimit, State};
use axum::response::Response;
use axum::{Router, routing};
use maud::{Markup, html};
use serde::Deserialize;

use super::visitor::{Posted, Visitor};
use super::{Web, page};
use crate::visible;

const TITLE: &str = "Explain";

/// A longer line is not taken.
pub(super) const TEXT_MAX_BYTES: usize = 64 * 1024;
/// A form with such a line in it, each byte of which may be written as `%5CxFF`.
pub(super) const FORM_MAX_BYTES: usize = 6 * TEXT_MAX_BYTES + 4096;

pub(super) fn routes() -> Router<Arc<Web>> {
    Router::new().route("/explain", routing::get(get).post(post)).layer(DefaultBodyLimit::max(FORM_MAX_BYTES))
}

#[derive(Deserialize)]
struct Form {
    #[serde(default)]
    text: String,
}

async fn get(visitor: Visitor) -> Response {
    page::page(TITLE, Some(&visitor), form(&visitor, ""))
}

async fn post(State(web): State<Arc<Web>>, posted: Posted<Form>) -> Response {
    let Posted { visitor, form: Form { text } } = posted;
    let line = line_of(&text);
    let outcome = web.explainer.explain(&line).await;
    let body = html! {
        (form(&visitor, &visible::typed(&line)))
        (outcome.shown(&line))
    };
    page::page(TITLE, Some(&visitor), body)
}

/// The line that a text field holds; the end of a line that was pasted with it is none of its bytes.
pub(super) fn line_of(text: &str) -> Vec<u8> {
    let text = text.strip_suffix('\n').unwrap_or(text);
    visible::read_back(text.strip_suffix('\r').unwrap_or(text))
}

fn form(visitor: &Visitor, text: &str) -> Markup {
    html! {
        form.card method="post" action="/explain" {
            (visitor.csrf_field())
            div.field { (field(text)) }
            button type="submit" { "Explain" }
        }
    }
}

/// The text field for a line, which stands in a form.
pub(super) fn field(text: &str) -> Markup {
    html! {
        label for="text" { "Raw line" }
        p.hint #text-hint {
            code { "<ip> <epoch seconds> <topic> <path> <params> <user agent>" }
            ". A byte that cannot be typed is written " code { "\\xFF" } "."
        }
        textarea #text name="text" rows="5" aria-describedby="text-hint" spellcheck="false" autocapitalize="off" autocomplete="off" { (text) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_end_of_a_pasted_line_is_left_out() {
        assert_eq!(line_of("a b\r\n"), b"a b");
        assert_eq!(line_of("a\\x0A\n"), b"a\n");
        assert_eq!(line_of(""), b"");
    }
}
