//! `/auth`: the ways in, and the one by password.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::request::Parts;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Redirect, Response};
use maud::{Markup, html};
use serde::Deserialize;

use super::doors::Who;
use super::tries::{self, TooMany};
use super::visitor::{fill, foreign_form, malformed, read_form, shut};
use super::{Web, next, page};

const TITLE: &str = "Sign in";

#[derive(Deserialize)]
struct Fields {
    #[serde(default)]
    password: String,
    #[serde(default)]
    next: String,
}

pub(super) async fn show(State(web): State<Arc<Web>>, request: Request) -> Response {
    let parts = request.into_parts().0;
    let next = next::of_query(parts.uri.query());
    if web.doors.visitor(&parts).is_some() {
        return go(&next);
    }
    if !web.doors.has_sign_in() {
        return shut();
    }
    page::page(TITLE, None, ways(&web, &next, false))
}

pub(super) async fn post(State(web): State<Arc<Web>>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let Some(password) = &web.doors.password else { return shut() };
    // Else a foreign page could sign its visitor in here, and have him work in another's name.
    if !web.doors.place(&parts.headers).is_origin(&parts.headers) {
        return foreign_form();
    }
    let fields = match read_form(Request::from_parts(parts.clone(), body)).await {
        Ok(fields) => fields,
        Err(refused) => return refused,
    };
    let Some(Fields { password: shown, next }) = fill(&fields) else { return malformed() };
    if let Err(too_many) = web.doors.tries.make(tries::address(&parts)) {
        return wait(too_many);
    }
    let next = next::local(&next);
    if !password.is(shown.as_bytes()) {
        tracing::warn!("a wrong password was tried");
        return page::answer(StatusCode::FORBIDDEN, TITLE, None, &ways(&web, next, true));
    }
    enter(&web, &parts, Who::Password, next)
}

/// Leads somebody in who has shown who he is.
pub(super) fn enter(web: &Web, parts: &Parts, who: Who, next: &str) -> Response {
    tracing::info!("somebody signed in");
    with_cookie(go(next), web.doors.remember(who, &parts.headers))
}

pub(super) fn with_cookie(mut response: Response, cookie: HeaderValue) -> Response {
    response.headers_mut().append(header::SET_COOKIE, cookie);
    response
}

/// To another page, by GET; nobody keeps that.
pub(super) fn go(path: &str) -> Response {
    ([(header::CACHE_CONTROL, "no-store")], Redirect::to(path)).into_response()
}

pub(super) fn wait(TooMany(seconds): TooMany) -> Response {
    let why = format!("There were too many tries. The next one is possible in {seconds} seconds.");
    let refused = page::refused(StatusCode::TOO_MANY_REQUESTS, "Too many tries", &why);
    ([(header::RETRY_AFTER, seconds.to_string())], refused).into_response()
}

/// Every way in that there is.
fn ways(web: &Web, next: &str, is_wrong: bool) -> Markup {
    html! {
        @if web.doors.password.is_some() {
            form.card.narrow method="post" action="/auth" {
                @if is_wrong { p.notice.bad #wrong role="alert" { "This is not the password." } }
                input type="hidden" name="next" value=(next);
                div.field {
                    label for="password" { "Password" }
                    input #password type="password" name="password" autocomplete="current-password" required autofocus
                        aria-invalid=[is_wrong.then_some("true")] aria-describedby=[is_wrong.then_some("wrong")];
                }
                button type="submit" { "Sign in" }
            }
        }
        @if let Some(provider) = &web.doors.provider {
            p {
                // A link: the policy of the page lets no form lead elsewhere.
                a.button href=(next::with("/auth/google_oauth2", next)) { "Sign in with " (provider.name()) }
            }
        }
    }
}
