//! Who asks for a page: a handler that takes a `Visitor` or a `Posted` form is for those who are signed in.

use std::sync::Arc;
use std::time::Duration;

use axum::body::Bytes;
use axum::extract::{FromRequest, FromRequestParts, Request};
use axum::http::request::Parts;
use axum::http::{HeaderMap, Method, StatusCode, header};
use axum::response::Response;
use maud::{Markup, html};
use serde::de::DeserializeOwned;

use super::secret::is_same;
use super::sign_in::go;
use super::{Web, next, page, text};

/// How long the body of a form may take to come.
const BODY_TIMEOUT: Duration = Duration::from_secs(10);

/// Somebody who may see the pages and change things: signed in, or in `dev` at this very machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Visitor {
    name: Option<String>,
    csrf: String,
}

/// A form that a visitor has sent from one of our pages.
pub(super) struct Posted<T> {
    pub visitor: Visitor,
    pub form: T,
}

impl Visitor {
    /// Somebody who is signed in under this name.
    pub fn named(name: impl Into<String>, csrf: impl Into<String>) -> Self {
        Self { name: Some(name.into()), csrf: csrf.into() }
    }

    /// Whoever sits at the machine; there is nothing to sign out of.
    pub fn local(csrf: impl Into<String>) -> Self {
        Self { name: None, csrf: csrf.into() }
    }

    /// The name, where there was a sign-in.
    pub fn name(&self) -> Option<&str> {
        self.name.as_deref()
    }

    /// The value of the field `csrf` in every form: another site cannot know it.
    pub fn csrf_token(&self) -> &str {
        &self.csrf
    }

    /// That field, to stand in a form.
    pub fn csrf_field(&self) -> Markup {
        html! { input type="hidden" name="csrf" value=(self.csrf_token()); }
    }
}

impl FromRequestParts<Arc<Web>> for Visitor {
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, web: &Arc<Web>) -> Result<Self, Response> {
        web.doors.visitor(parts).ok_or_else(|| turn_away(parts, web.doors.has_sign_in()))
    }
}

impl<T: DeserializeOwned> FromRequest<Arc<Web>> for Posted<T> {
    type Rejection = Response;

    async fn from_request(request: Request, web: &Arc<Web>) -> Result<Self, Response> {
        let (mut parts, body) = request.into_parts();
        let visitor = Visitor::from_request_parts(&mut parts, web).await?;
        if !web.doors.place(&parts.headers).is_origin(&parts.headers) {
            return Err(foreign_form());
        }
        let fields = read_form(Request::from_parts(parts, body)).await?;
        let is_ours = form_urlencoded::parse(&fields)
            .any(|(name, value)| name == "csrf" && is_same(value.as_bytes(), visitor.csrf_token()));
        if !is_ours {
            return Err(foreign_form());
        }
        Ok(Self { visitor, form: fill(&fields).ok_or_else(malformed)? })
    }
}

/// The fields of a form, as they came.
///
/// # Errors
/// A page that says why: too large, too slow, or no form.
pub(super) async fn read_form(request: Request) -> Result<Bytes, Response> {
    if !is_form(request.headers()) {
        let why = "A form is needed here.";
        return Err(page::refused(StatusCode::UNSUPPORTED_MEDIA_TYPE, "No form", why));
    }
    match tokio::time::timeout(BODY_TIMEOUT, Bytes::from_request(request, &())).await {
        Ok(Ok(fields)) => Ok(fields),
        Ok(Err(rejection)) if rejection.status() == StatusCode::PAYLOAD_TOO_LARGE => {
            let why = "More was sent than is taken here.";
            Err(page::refused(StatusCode::PAYLOAD_TOO_LARGE, "Too large", why))
        }
        Ok(Err(_)) => Err(malformed()),
        Err(_) => {
            let why = "What was sent did not come in time.";
            Err(page::refused(StatusCode::REQUEST_TIMEOUT, "Too slow", why))
        }
    }
}

/// Reads a form's fields into a value; nothing when they do not fit.
pub(super) fn fill<T: DeserializeOwned>(fields: &[u8]) -> Option<T> {
    serde_html_form::from_bytes(fields).ok()
}

fn is_form(headers: &HeaderMap) -> bool {
    let content_type = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
    let essence = content_type.and_then(|value| value.split(';').next()).map_or("", str::trim);
    essence.eq_ignore_ascii_case("application/x-www-form-urlencoded")
}

pub(super) fn malformed() -> Response {
    page::refused(StatusCode::BAD_REQUEST, "Not understood", "The form could not be read.")
}

pub(super) fn foreign_form() -> Response {
    page::forbidden(
        "The form did not come from this site, or your sign-in is over. Go back, reload the page and try again.",
    )
}

/// What everybody gets where there is no way in.
pub(super) fn shut() -> Response {
    page::forbidden(
        "These pages are shut, because nobody has said who may enter. \
         Set WEB_PASSWORD, or GOOGLE_CLIENT_ID and GOOGLE_CLIENT_SECRET with ACCESS_DOMAINS or ACCESS_EMAILS.",
    )
}

/// What somebody gets who is not signed in.
fn turn_away(parts: &Parts, has_sign_in: bool) -> Response {
    if !has_sign_in {
        return shut();
    }
    let mode = parts.headers.get("sec-fetch-mode").map(axum::http::HeaderValue::as_bytes);
    if mode.is_some_and(|mode| mode != b"navigate") {
        // A script has asked: it could do nothing with a page to sign in.
        return text(StatusCode::UNAUTHORIZED, "sign in first\n");
    }
    // Where a form leads cannot be visited afterwards.
    let can_return = matches!(parts.method, Method::GET | Method::HEAD);
    let path = parts.uri.path_and_query().filter(|_| can_return).map_or("/", |path| path.as_str());
    go(&next::with("/auth", path))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(method: &str, path: &str, headers: &[(&str, &str)]) -> Parts {
        let request =
            headers.iter().fold(Request::builder().method(method).uri(path), |request, (name, value)| {
                request.header(*name, *value)
            });
        request.body(()).unwrap().into_parts().0
    }

    #[test]
    fn a_stranger_is_sent_to_sign_in_and_comes_back() {
        let away = |parts: &Parts| turn_away(parts, true).headers()["location"].to_str().unwrap().to_owned();
        let parts = asked("GET", "/badclicks?reason=ip&page=2", &[("sec-fetch-mode", "navigate")]);
        assert_eq!(away(&parts), "/auth?next=%2Fbadclicks%3Freason%3Dip%26page%3D2");
        assert_eq!(away(&asked("POST", "/badclicks/replay", &[])), "/auth?next=%2F");
    }

    #[test]
    fn a_script_is_told_so_in_words_of_its_own() {
        let parts = asked("GET", "/events", &[("sec-fetch-mode", "cors")]);
        assert_eq!(turn_away(&parts, true).status(), 401);
    }

    #[test]
    fn where_nothing_is_set_up_the_pages_stay_shut() {
        assert_eq!(turn_away(&asked("GET", "/", &[]), false).status(), 403);
    }

    #[test]
    fn only_a_form_is_a_form() {
        let of = |value: &str| is_form(&asked("POST", "/", &[("content-type", value)]).headers);
        assert!(of("application/x-www-form-urlencoded"));
        assert!(of("Application/X-WWW-Form-Urlencoded; charset=UTF-8"));
        for other in ["", "text/plain", "multipart/form-data; boundary=x", "application/json"] {
            assert!(!of(other), "{other}");
        }
    }
}
