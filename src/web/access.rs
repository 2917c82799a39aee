//! Who may see the queues: whoever shows the token, or is signed in; where no token is set, whoever is on the same machine.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use axum::extract::{ConnectInfo, FromRequestParts};
use axum::http::request::Parts;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};

use super::secret::Token;
use super::settings::is_loopback;
use super::{Web, text};

/// Headers by which a proxy says that it asks for someone else.
const FORWARDED: [&str; 5] = ["forwarded", "x-forwarded-for", "x-forwarded-host", "x-real-ip", "via"];

/// Somebody who may see the queues.
pub(super) struct Permitted;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Verdict {
    Permitted,
    /// A token is needed, and none or a wrong one was shown.
    TokenNeeded,
    /// No token is set, and this is not our machine.
    LocalOnly,
}

impl FromRequestParts<Arc<Web>> for Permitted {
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, web: &Arc<Web>) -> Result<Self, Response> {
        let peer = parts.extensions.get::<ConnectInfo<SocketAddr>>().map(|peer| peer.0.ip());
        match judge(web.doors.token.as_ref(), peer, &parts.headers) {
            Verdict::Permitted => Ok(Self),
            _ if web.doors.visitor(parts).is_some() => Ok(Self),
            Verdict::TokenNeeded => {
                let challenge = [(header::WWW_AUTHENTICATE, "Bearer realm=\"kafkastore\"")];
                Err((challenge, text(StatusCode::UNAUTHORIZED, "a bearer token is needed\n")).into_response())
            }
            Verdict::LocalOnly => Err(text(
                StatusCode::FORBIDDEN,
                "without WEB_TOKEN this is for those who are signed in, or on the machine itself\n",
            )),
        }
    }
}

fn judge(token: Option<&Token>, peer: Option<IpAddr>, headers: &HeaderMap) -> Verdict {
    if let Some(token) = token {
        let is_right = shown_token(headers).is_some_and(|shown| token.is(shown));
        return if is_right { Verdict::Permitted } else { Verdict::TokenNeeded };
    }
    if is_local(peer, headers) { Verdict::Permitted } else { Verdict::LocalOnly }
}

/// Somebody on this machine asks for himself.
pub(super) fn is_local(peer: Option<IpAddr>, headers: &HeaderMap) -> bool {
    let is_loopback = peer.is_some_and(|peer| peer.to_canonical().is_loopback());
    let is_forwarded = FORWARDED.iter().any(|name| headers.contains_key(*name));
    // A foreign page may have its own name lead to this machine, and read what its visitor's browser fetches there.
    let is_asked_as_local = headers.get(header::HOST).is_none_or(|host| is_local_name(host.as_bytes()));
    is_loopback && !is_forwarded && is_asked_as_local
}

fn shown_token(headers: &HeaderMap) -> Option<&[u8]> {
    let authorization = headers.get(header::AUTHORIZATION)?.as_bytes();
    let (scheme, token) = authorization.split_at_checked("Bearer ".len())?;
    scheme.eq_ignore_ascii_case(b"Bearer ").then(|| token.trim_ascii())
}

/// `localhost`, `127.0.0.1` or `[::1]`, with or without a port.
fn is_local_name(host: &[u8]) -> bool {
    let url = url::Url::parse(&format!("http://{}", String::from_utf8_lossy(host)));
    url.is_ok_and(|url| is_loopback(&url))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::web::Settings;
    use axum::http::HeaderName;
    use clap::Parser;

    #[derive(Parser)]
    struct Program {
        #[command(flatten)]
        web: Settings,
    }

    fn asked(token: Option<&str>, peer: &str, headers: &[(&str, &str)]) -> Verdict {
        let arguments = token.map(|token| format!("--web-token={token}"));
        let program = Program::try_parse_from(["web".to_owned()].into_iter().chain(arguments)).unwrap();
        let headers = headers
            .iter()
            .map(|(name, value)| (HeaderName::from_bytes(name.as_bytes()).unwrap(), value.parse().unwrap()));
        judge(program.web.access().unwrap().token.as_ref(), Some(peer.parse().unwrap()), &headers.collect())
    }

    #[test]
    fn where_a_token_is_set_everyone_needs_it() {
        assert_eq!(asked(Some("s"), "9.9.9.9", &[("authorization", "Bearer s")]), Verdict::Permitted);
        assert_eq!(asked(Some("s"), "9.9.9.9", &[("authorization", "bearer s")]), Verdict::Permitted);
        assert_eq!(asked(Some("s"), "127.0.0.1", &[]), Verdict::TokenNeeded);
        for wrong in ["s", "Bearer", "Bearer ", "Bearer t", "Basic s", "Bearer ss"] {
            assert_eq!(
                asked(Some("s"), "127.0.0.1", &[("authorization", wrong)]),
                Verdict::TokenNeeded,
                "{wrong}"
            );
        }
    }

    #[test]
    fn without_a_token_only_this_machine_is_let_in() {
        for peer in ["127.0.0.1", "127.3.2.1", "::1", "::ffff:127.0.0.1"] {
            assert_eq!(asked(None, peer, &[("host", "localhost:5000")]), Verdict::Permitted, "{peer}");
        }
        for peer in ["10.0.0.1", "::ffff:8.8.8.8", "2001:db8::1"] {
            assert_eq!(asked(None, peer, &[("host", "localhost:5000")]), Verdict::LocalOnly, "{peer}");
        }
        assert_eq!(asked(None, "9.9.9.9", &[("authorization", "Bearer s")]), Verdict::LocalOnly);
    }

    #[test]
    fn a_proxy_on_the_same_machine_does_not_open_it() {
        for name in FORWARDED {
            assert_eq!(asked(None, "127.0.0.1", &[(name, "8.8.8.8")]), Verdict::LocalOnly, "{name}");
        }
        assert_eq!(asked(None, "127.0.0.1", &[("host", "kafkastore.example")]), Verdict::LocalOnly);
        assert_eq!(asked(None, "127.0.0.1", &[("host", "[::1]:5000")]), Verdict::Permitted);
    }
}
