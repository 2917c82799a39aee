//! `/auth/google_oauth2`: to the provider and back, at the paths that were registered with Google in 2016;
//! `/auth/failure`: why somebody came back in vain.

use std::sync::Arc;

use axum::extract::{RawQuery, Request, State};
use axum::http::{StatusCode, request::Parts};
use axum::response::Response;
use maud::html;
use tracing::info;

use super::doors::Who;
use super::open_id::{Away, Begun, OpenId};
use super::refusal::Refusal;
use super::secret::is_same;
use super::sign_in::{enter, go, wait, with_cookie};
use super::visitor::shut;
use super::{Web, next, page, tries};

const CALLBACK: &str = "/auth/google_oauth2/callback";

pub(super) async fn start(State(web): State<Arc<Web>>, request: Request) -> Response {
    let parts = request.into_parts().0;
    let Some(provider) = &web.doors.provider else { return shut() };
    let Some(redirect) = web.doors.place(&parts.headers).url(CALLBACK) else {
        return page::refused(StatusCode::BAD_REQUEST, "Not understood", "The request names no host.");
    };
    match provider.begin(redirect, next::of_query(parts.uri.query())).await {
        Ok((url, begun)) => with_cookie(go(url.as_str()), web.doors.begin(&begun, &parts.headers)),
        Err(Away) => page::unavailable("The provider that you sign in with does not answer."),
    }
}

pub(super) async fn callback(State(web): State<Arc<Web>>, request: Request) -> Response {
    let parts = request.into_parts().0;
    let Some(provider) = &web.doors.provider else { return shut() };
    // Each asks the provider something.
    if let Err(too_many) = web.doors.callbacks.make(tries::address(&parts)) {
        return wait(too_many);
    }
    let response = match finish(&web, provider, &parts).await {
        Ok((email, next)) => enter(&web, &parts, Who::Address(email), next::local(&next)),
        Err(refusal) => {
            info!(reason = refusal.name(), "somebody was not let in");
            go(&refusal.path())
        }
    };
    // Whatever came of it, it cannot be gone on with.
    with_cookie(response, web.doors.end(&parts.headers))
}

async fn finish(web: &Web, provider: &OpenId, parts: &Parts) -> Result<(String, String), Refusal> {
    let query = parts.uri.query().unwrap_or_default().as_bytes();
    let field = |wanted: &str| {
        form_urlencoded::parse(query).find_map(|(name, value)| (name == wanted).then(|| value.into_owned()))
    };
    let begun: Begun = web.doors.begun(&parts.headers).ok_or(Refusal::Stale)?;
    if !field("state").is_some_and(|state| is_same(state.as_bytes(), &begun.state)) {
        return Err(Refusal::Stale);
    }
    let code = field("code").ok_or(Refusal::BrokenOff)?;
    let email = provider.finish(&begun, code).await?;
    Ok((email, begun.next))
}

pub(super) async fn failure(RawQuery(query): RawQuery) -> Response {
    let refusal = Refusal::of_query(query.as_deref());
    let body = html! {
        p.notice.bad { (refusal.to_string()) }
        p { a.button href="/auth" { "Try again" } }
    };
    page::answer(StatusCode::FORBIDDEN, "No sign-in", None, &body)
}
