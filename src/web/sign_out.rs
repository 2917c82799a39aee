//! `/auth/logout`: the way out. The cookie is forgotten; a copy of it, were there one, would hold until its time is over.

use std::sync::Arc;

use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;
use maud::html;
use serde::Deserialize;

use super::sign_in::{go, with_cookie};
use super::visitor::{Posted, Visitor};
use super::{Web, page};

/// A form without fields.
#[derive(Deserialize)]
pub(super) struct Nothing {}

/// Asks: a link from elsewhere must not sign anyone out.
pub(super) async fn show(visitor: Visitor) -> Response {
    if visitor.name().is_none() {
        return go("/");
    }
    let body = html! {
        form.card.narrow method="post" action="/auth/logout" {
            (visitor.csrf_field())
            p { "Do you want to sign out?" }
            div.row {
                button type="submit" { "Sign out" }
                a href="/" { "Stay" }
            }
        }
    };
    page::page("Sign out", Some(&visitor), body)
}

pub(super) async fn post(State(web): State<Arc<Web>>, headers: HeaderMap, _: Posted<Nothing>) -> Response {
    with_cookie(go("/auth"), web.doors.forget(&headers))
}
