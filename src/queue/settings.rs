//! Which Redis servers, which lists, and how many bad lines are kept.

use clap::Args;
use redis::ConnectionInfo;
use redis::IntoConnectionInfo;

use super::server::{Bounds, Keys, Server};
use crate::settings::whole_number;

#[derive(Args, Debug, Clone)]
#[command(next_help_heading = "Redis")]
#[group(skip)]
pub struct Settings {
    /// Redis servers, several by commas: redis://[user:password@]host[:port][/database], rediss:// for TLS
    #[arg(long, env = "REDIS_URL", value_name = "URL", value_delimiter = ',', value_parser = parse_url)]
    redis_url: Vec<Address>,

    /// The same under the name that an older Heroku add-on gives it; REDIS_URL wins
    #[arg(long, env = "REDISTOGO_URL", value_name = "URL", value_delimiter = ',', value_parser = parse_url)]
    redistogo_url: Vec<Address>,

    /// Take any certificate from a rediss:// server, as self-signed ones need it
    #[arg(
        long,
        env = "REDIS_TLS_INSECURE",
        value_name = "BOOL",
        num_args = 0..=1,
        default_value = "false",
        default_missing_value = "true",
        value_parser = clap::builder::BoolishValueParser::new()
    )]
    redis_tls_insecure: bool,

    /// The list that trackers push to
    #[arg(long, env = "QUEUE", value_name = "NAME", default_value = "click_queue")]
    pub queue: String,

    /// The list of rejected lines
    #[arg(long, env = "INVALID_QUEUE", value_name = "NAME", default_value = "click_invalid")]
    pub invalid_queue: String,

    /// Rejected lines that are kept; the oldest go first
    #[arg(long, env = "INVALID_MAX", value_name = "LINES", default_value = "100000", value_parser = whole_number(1..=u64::MAX))]
    pub invalid_max: u64,

    /// Bytes of Redis memory that rejected lines may take; the oldest go first
    #[arg(long, env = "INVALID_MAX_BYTES", value_name = "BYTES", default_value = "16777216", value_parser = whole_number(1..=u64::MAX))]
    pub invalid_max_bytes: u64,
}

/// An address that was read, and that prints nowhere: it may hold a password.
#[derive(Clone)]
pub struct Address(url::Url);

impl std::fmt::Debug for Address {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("Address")
    }
}

fn parse_url(text: &str) -> Result<Address, String> {
    let wanted = "redis://host[:port][/database] or rediss://... is needed";
    let url = url::Url::parse(text.trim()).map_err(|_| wanted.to_owned())?;
    let is_redis = matches!(url.scheme(), "redis" | "rediss" | "valkey" | "valkeys" | "redis+unix" | "unix");
    if !is_redis || url.clone().into_connection_info().is_err() {
        return Err(wanted.to_owned());
    }
    Ok(Address(url))
}

impl Settings {
    /// The servers, in the order they were named.
    ///
    /// # Errors
    /// A plain line when an address cannot be used.
    pub fn servers(&self) -> Result<Vec<Server>, String> {
        let keys = Keys::new(&self.queue, &self.invalid_queue);
        let bounds = Bounds { lines: self.invalid_max, bytes: self.invalid_max_bytes };
        let named = [&self.redis_url, &self.redistogo_url].into_iter().find(|urls| !urls.is_empty());
        let default = vec![Address(url::Url::parse("redis://127.0.0.1:6379").expect("a literal address"))];
        named
            .unwrap_or(&default)
            .iter()
            .map(|address| {
                Server::new(self.connection_info(address)?, shown(&address.0), keys.clone(), bounds)
            })
            .collect()
    }

    /// The same settings, with the one server at `url`.
    ///
    /// # Errors
    /// When that is no address of a Redis server.
    pub fn at(mut self, url: &str) -> Result<Self, String> {
        self.redis_url = vec![parse_url(url)?];
        Ok(self)
    }

    fn connection_info(&self, address: &Address) -> Result<ConnectionInfo, String> {
        let mut url = address.0.clone();
        if self.redis_tls_insecure && matches!(url.scheme(), "rediss" | "valkeys") {
            // The way the redis crate is told so.
            url.set_fragment(Some("insecure"));
        }
        url.into_connection_info().map_err(|error| format!("REDIS_URL: {error}"))
    }

    /// Whether an address was named at all.
    pub fn names_a_server(&self) -> bool {
        !self.redis_url.is_empty() || !self.redistogo_url.is_empty()
    }

    /// What a user should know of these settings at start.
    pub fn warnings(&self) -> Vec<String> {
        let both = !self.redis_url.is_empty() && !self.redistogo_url.is_empty();
        both.then(|| "REDIS_URL and REDISTOGO_URL are both set: REDIS_URL is used".to_owned())
            .into_iter()
            .collect()
    }
}

/// The address without user, password and options.
fn shown(url: &url::Url) -> String {
    let host = url.host_str().unwrap_or_default();
    let port = url.port().map(|port| format!(":{port}")).unwrap_or_default();
    format!("{host}{port}{}", url.path().trim_end_matches('/'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_shown_without_its_secrets() {
        let url = url::Url::parse("rediss://user:secret@redis.example:6380/2?protocol=resp3").unwrap();
        assert_eq!(shown(&url), "redis.example:6380/2");
        assert!(!format!("{:?}", Address(url)).contains("secret"));
    }

    #[test]
    fn only_redis_addresses_are_taken() {
        assert!(parse_url("redis://localhost").is_ok());
        assert!(parse_url(" rediss://:p@host:1/3 ").is_ok());
        for wrong in
            ["localhost:6379", "http://localhost", "redis://host:port", "redis://host/notanumber", ""]
        {
            assert!(parse_url(wrong).is_err(), "{wrong}");
        }
    }
}
