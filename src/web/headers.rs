//! Headers that every answer has: what a browser may do with it.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::{HeaderValue, Method, StatusCode, header};
use axum::middleware::Next;
use axum::response::Response;

use super::Web;

/// Everything comes from ourselves, and nothing is written into a page: a payload that got into one could still do nothing.
const CONTENT_SECURITY_POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; \
     img-src 'self' data:; connect-src 'self'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'";
const PERMISSIONS_POLICY: &str = "camera=(), geolocation=(), microphone=(), payment=(), usb=()";
/// A year, as browsers ask for.
const TLS_ONLY: &str = "max-age=31536000";
/// Seconds until a browser asks again for a page that was not to be had.
const AGAIN: &str = "10";

pub(super) async fn add(State(web): State<Arc<Web>>, request: Request, next: Next) -> Response {
    let is_secure = web.doors.place(request.headers()).is_secure();
    let is_visit = request.method() == Method::GET;
    let mut response = next.run(request).await;
    let is_away = response.status() == StatusCode::SERVICE_UNAVAILABLE;
    let headers = response.headers_mut();
    for (name, value) in [
        (header::CONTENT_SECURITY_POLICY, CONTENT_SECURITY_POLICY),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        // With `no-referrer` a browser would hide from us where a form comes from.
        (header::REFERRER_POLICY, "same-origin"),
        (header::HeaderName::from_static("permissions-policy"), PERMISSIONS_POLICY),
        (header::HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
        (header::HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
    ] {
        headers.insert(name, HeaderValue::from_static(value));
    }
    if is_secure {
        headers.insert(header::STRICT_TRANSPORT_SECURITY, HeaderValue::from_static(TLS_ONLY));
    }
    if is_away && is_visit {
        headers.insert(header::RETRY_AFTER, HeaderValue::from_static(AGAIN));
        headers.insert(header::REFRESH, HeaderValue::from_static(AGAIN));
    }
    response
}
