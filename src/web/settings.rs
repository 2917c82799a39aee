//! Where the web process listens, and who may enter.

use std::net::{IpAddr, Ipv4Addr};

use clap::Args;
use url::Url;

use super::secret::{Token, parse_cookie_secret, parse_password, parse_token};
use crate::settings::whole_number;

/// As foreman has it.
const DEFAULT_PORT: u16 = 5000;
const GOOGLE: &str = "https://accounts.google.com";

#[derive(Args, Clone)]
#[command(next_help_heading = "Web")]
pub struct Settings {
    /// Port to listen on [default: 5000]
    #[arg(long, env = "PORT", value_name = "PORT", value_parser = whole_number(1..=u16::MAX))]
    port: Option<u16>,

    /// Address to listen on [default: 0.0.0.0, which is all that this machine has; 127.0.0.1 with dev]
    #[arg(long, env = "WEB_BIND", value_name = "ADDRESS", value_parser = parse_address)]
    web_bind: Option<IpAddr>,

    /// Who shows this token may see the queues [default: who is signed in, or on the same machine]
    #[arg(long, env = "WEB_TOKEN", value_name = "TOKEN", value_parser = parse_token)]
    web_token: Option<Token>,

    /// Who knows this password may enter the pages
    #[arg(long, env = "WEB_PASSWORD", value_name = "PASSWORD", value_parser = parse_password)]
    web_password: Option<Token>,

    /// Signs the cookies of those who are signed in [default: a new one at every start, which ends all sign-ins]
    #[arg(long, env = "COOKIE_SECRET", value_name = "SECRET", value_parser = parse_cookie_secret)]
    cookie_secret: Option<Token>,

    /// The client that is registered with Google, or another provider of OpenID Connect
    #[arg(long, env = "GOOGLE_CLIENT_ID", value_name = "ID", value_parser = parse_token)]
    google_client_id: Option<Token>,

    /// The secret of that client
    #[arg(long, env = "GOOGLE_CLIENT_SECRET", value_name = "SECRET", value_parser = parse_token)]
    google_client_secret: Option<Token>,

    /// The provider of OpenID Connect
    #[arg(long, env = "OIDC_ISSUER", value_name = "URL", default_value = GOOGLE, value_parser = parse_issuer)]
    oidc_issuer: String,

    /// Who has a verified address in one of these domains may enter, by commas
    #[arg(long, env = "ACCESS_DOMAINS", value_name = "DOMAINS", value_delimiter = ',', value_parser = parse_domain)]
    access_domains: Vec<String>,

    /// Who has one of these verified addresses may enter, by commas
    #[arg(long, env = "ACCESS_EMAILS", value_name = "ADDRESSES", value_delimiter = ',', value_parser = parse_email)]
    access_emails: Vec<String>,

    /// Address under which browsers find the pages [default: the one that they ask for]
    #[arg(long, env = "PUBLIC_URL", value_name = "URL", value_parser = parse_public_url)]
    public_url: Option<Url>,
}

/// Who may enter, and by what.
#[derive(Clone)]
pub struct Access {
    pub(super) token: Option<Token>,
    pub(super) password: Option<Token>,
    pub(super) provider: Option<Provider>,
    pub(super) cookie_secret: Token,
    pub(super) public_url: Option<Url>,
    /// Whoever sits at the machine needs no sign-in, as long as there is no way to sign in.
    pub(super) is_open_to_this_machine: bool,
}

/// A provider of OpenID Connect, and whom of those that it vouches for we let in.
#[derive(Clone)]
pub(super) struct Provider {
    pub issuer: String,
    pub client_id: Token,
    pub client_secret: Token,
    /// In small letters, as are the addresses.
    pub domains: Vec<String>,
    pub emails: Vec<String>,
}

fn parse_address(text: &str) -> Result<IpAddr, String> {
    text.trim().parse().map_err(|_| "an IP address is needed".to_owned())
}

/// TLS is needed, save on this machine: whoever can change what the provider says can be anyone.
fn parse_issuer(text: &str) -> Result<String, String> {
    let url = parse_web_address(text).filter(|url| url.scheme() == "https" || is_loopback(url));
    // As it was written: it must be what the provider calls itself, to the letter.
    url.map(|_| text.trim().to_owned()).ok_or_else(|| format!("an address such as {GOOGLE} is needed"))
}

fn parse_public_url(text: &str) -> Result<Url, String> {
    let url = parse_web_address(text).filter(|url| url.path() == "/");
    url.ok_or_else(|| "an address such as https://clicks.example.com is needed, without a path".to_owned())
}

/// An address of the web with nothing but scheme, host, port and path.
fn parse_web_address(text: &str) -> Option<Url> {
    let url = Url::parse(text.trim()).ok()?;
    let is_plain = url.username().is_empty()
        && url.password().is_none()
        && url.query().is_none()
        && url.fragment().is_none();
    (matches!(url.scheme(), "http" | "https") && url.has_host() && is_plain).then_some(url)
}

/// The host is this machine.
pub(super) fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(url::Host::Domain(name)) => name == "localhost",
        Some(url::Host::Ipv4(address)) => address.is_loopback(),
        Some(url::Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    }
}

fn parse_domain(text: &str) -> Result<String, String> {
    let domain = text.trim().to_ascii_lowercase();
    let is_domain = domain.contains('.')
        && domain.split('.').all(|label| !label.is_empty())
        && domain.bytes().all(|byte| byte.is_ascii_alphanumeric() || b".-".contains(&byte));
    is_domain.then_some(domain).ok_or_else(|| "domains such as example.com are allowed".to_owned())
}

fn parse_email(text: &str) -> Result<String, String> {
    let email = text.trim().to_ascii_lowercase();
    let is_email = email
        .split_once('@')
        .is_some_and(|(name, host)| !name.is_empty() && !host.is_empty() && !host.contains('@'));
    let is_plain = email.bytes().all(|byte| byte.is_ascii_graphic());
    (is_email && is_plain)
        .then_some(email)
        .ok_or_else(|| "addresses such as somebody@example.com are allowed".to_owned())
}

impl Settings {
    /// The port, where one was named.
    pub fn named_port(&self) -> Option<u16> {
        self.port
    }

    pub fn port(&self) -> u16 {
        self.port.unwrap_or(DEFAULT_PORT)
    }

    /// The address, where one was named.
    pub fn named_address(&self) -> Option<IpAddr> {
        self.web_bind
    }

    pub fn address(&self) -> IpAddr {
        self.web_bind.unwrap_or(Ipv4Addr::UNSPECIFIED.into())
    }

    /// Who may enter.
    ///
    /// # Errors
    /// When settings do not go together; names the variable to mend.
    pub fn access(&self) -> Result<Access, String> {
        Ok(Access {
            token: self.web_token.clone(),
            password: self.web_password.clone(),
            provider: self.provider()?,
            cookie_secret: self.cookie_secret.clone().unwrap_or_else(Token::random),
            public_url: self.public_url.clone(),
            is_open_to_this_machine: false,
        })
    }

    fn provider(&self) -> Result<Option<Provider>, String> {
        let (client_id, client_secret) = match (&self.google_client_id, &self.google_client_secret) {
            (Some(id), Some(secret)) => (id.clone(), secret.clone()),
            (None, None) => return Ok(None),
            (Some(_), None) => {
                return Err("GOOGLE_CLIENT_SECRET: it is needed where GOOGLE_CLIENT_ID is set".to_owned());
            }
            (None, Some(_)) => {
                return Err("GOOGLE_CLIENT_ID: it is needed where GOOGLE_CLIENT_SECRET is set".to_owned());
            }
        };
        if self.access_domains.is_empty() && self.access_emails.is_empty() {
            let allowed = "it must name who may enter (or ACCESS_EMAILS), since GOOGLE_CLIENT_ID is set";
            return Err(format!("ACCESS_DOMAINS: {allowed}"));
        }
        let (domains, emails) = (self.access_domains.clone(), self.access_emails.clone());
        Ok(Some(Provider { issuer: self.oidc_issuer.clone(), client_id, client_secret, domains, emails }))
    }

    /// What a user should know.
    pub fn warnings(&self) -> Vec<String> {
        let has_sign_in = self.web_password.is_some() || self.google_client_id.is_some();
        let mut warnings = Vec::new();
        if has_sign_in && self.cookie_secret.is_none() {
            warnings.push("without COOKIE_SECRET all sign-ins end with this process".to_owned());
        }
        if !has_sign_in {
            warnings.push(
                "nobody can sign in, so the pages stay shut: WEB_PASSWORD or GOOGLE_CLIENT_ID opens them"
                    .to_owned(),
            );
        }
        warnings
    }
}

impl Access {
    /// Lets in whoever sits at the machine, as long as nothing is set by which to sign in.
    #[must_use]
    pub fn open_to_this_machine(self) -> Self {
        Self { is_open_to_this_machine: true, ..self }
    }

    pub(super) fn has_sign_in(&self) -> bool {
        self.password.is_some() || self.provider.is_some()
    }
}

impl Provider {
    /// Whether this address, which the provider has verified, may enter: it is listed, or its domain is.
    pub fn admits(&self, email: &str) -> bool {
        // Not to_lowercase, which makes plain letters of some that are not.
        let email = email.to_ascii_lowercase();
        let Some((name, domain)) = email.rsplit_once('@') else { return false };
        let is_listed = |list: &[String], text: &str| list.iter().any(|listed| listed == text);
        !name.is_empty() && (is_listed(&self.emails, &email) || is_listed(&self.domains, domain))
    }
}

#[cfg(test)]
#[path = "settings_tests.rs"]
mod tests;
