//! Who may enter: what was set, made ready to be asked at every request.

use std::net::SocketAddr;
use std::time::Duration;

use axum::extract::ConnectInfo;
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderValue};
use serde::{Deserialize, Serialize};
use url::Url;

use super::access::is_local;
use super::open_id::{Begun, OpenId};
use super::place::Place;
use super::seal::Seal;
use super::secret::Token;
use super::settings::Access;
use super::tries::Tries;
use super::visitor::Visitor;

/// A day's work.
const SESSION: Duration = Duration::from_secs(12 * 3600);
/// How long somebody may be at the provider's.
const BEGUN: Duration = Duration::from_secs(600);
/// Enough for somebody who mistypes, in a minute and from one address.
const TRIES: usize = 5;
/// Whoever has many addresses would need thousands of years for eight random letters.
const TRIES_IN_ALL: usize = 30;
/// Nothing can be guessed there, but each makes us ask the provider.
const CALLBACKS: usize = 10;
const CALLBACKS_IN_ALL: usize = 120;

pub(super) struct Doors {
    /// For programs; see `access`.
    pub token: Option<Token>,
    pub password: Option<Token>,
    /// By password.
    pub tries: Tries,
    pub provider: Option<OpenId>,
    /// On the way back from the provider.
    pub callbacks: Tries,
    sessions: Seal,
    beginnings: Seal,
    public_url: Option<Url>,
    /// The CSRF token of whoever sits at the machine; only where they need no sign-in.
    local: Option<String>,
}

/// Somebody who has signed in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Who {
    /// Whoever knew the password.
    Password,
    /// An address that the provider vouched for.
    Address(String),
}

/// What the cookie of somebody who has signed in holds.
#[derive(Serialize, Deserialize)]
struct Session {
    who: Who,
    csrf: String,
}

impl Doors {
    pub fn new(access: Access) -> Self {
        // A new password ends the sign-ins by the former.
        let password = access.password.as_ref().map_or("", Token::reveal);
        let secret = [access.cookie_secret.reveal(), password].concat();
        let is_open = access.is_open_to_this_machine && !access.has_sign_in();
        Self {
            tries: Tries::new(TRIES, TRIES_IN_ALL),
            provider: access.provider.map(OpenId::new),
            callbacks: Tries::new(CALLBACKS, CALLBACKS_IN_ALL),
            beginnings: Seal::new("kafkastore_begun", secret.as_bytes(), BEGUN),
            sessions: Seal::new("kafkastore_session", secret.as_bytes(), SESSION),
            local: is_open.then(random),
            token: access.token,
            password: access.password,
            public_url: access.public_url,
        }
    }

    /// There is a way to sign in.
    pub fn has_sign_in(&self) -> bool {
        self.password.is_some() || self.provider.is_some()
    }

    /// Under which address the request has come.
    pub fn place(&self, headers: &HeaderMap) -> Place {
        Place::of(self.public_url.as_ref(), headers)
    }

    /// Who asks, if they may enter.
    pub fn visitor(&self, parts: &Parts) -> Option<Visitor> {
        let session = self.sessions.read::<Session>(&parts.headers, &self.place(&parts.headers));
        if let Some(Session { who, csrf }) = session
            && let Some(name) = self.still_admits(&who)
        {
            return Some(Visitor::named(name, csrf));
        }
        let csrf = self.local.as_ref()?;
        let peer = parts.extensions.get::<ConnectInfo<SocketAddr>>().map(|peer| peer.0.ip());
        is_local(peer, &parts.headers).then(|| Visitor::local(csrf))
    }

    /// A cookie by which we know somebody again.
    pub fn remember(&self, who: Who, headers: &HeaderMap) -> HeaderValue {
        self.sessions.set(&Session { who, csrf: random() }, &self.place(headers))
    }

    /// A cookie that ends that.
    pub fn forget(&self, headers: &HeaderMap) -> HeaderValue {
        self.sessions.forget(&self.place(headers))
    }

    /// A cookie that holds a sign-in which has begun.
    pub fn begin(&self, begun: &Begun, headers: &HeaderMap) -> HeaderValue {
        self.beginnings.set(begun, &self.place(headers))
    }

    pub fn begun(&self, headers: &HeaderMap) -> Option<Begun> {
        self.beginnings.read(headers, &self.place(headers))
    }

    /// A cookie that ends what has begun.
    pub fn end(&self, headers: &HeaderMap) -> HeaderValue {
        self.beginnings.forget(&self.place(headers))
    }

    /// The name, while what was set still lets them in: that may have changed since they came.
    fn still_admits(&self, who: &Who) -> Option<String> {
        match who {
            Who::Password => self.password.as_ref().map(|_| "Signed in".to_owned()),
            Who::Address(email) => {
                self.provider.as_ref().filter(|provider| provider.admits(email)).map(|_| email.clone())
            }
        }
    }
}

/// Something that nobody guesses.
pub(super) fn random() -> String {
    format!("{:032x}", rand::random::<u128>())
}
