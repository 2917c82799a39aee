//! Where the web process listens, and who may see the queues.

use std::net::{IpAddr, Ipv4Addr};

use clap::Args;

use crate::settings::whole_number;

/// As foreman has it.
const DEFAULT_PORT: u16 = 5000;

#[derive(Args, Clone)]
#[command(next_help_heading = "Web")]
pub struct Settings {
    /// Port to listen on [default: 5000]
    #[arg(long, env = "PORT", value_name = "PORT", value_parser = whole_number(1..=u16::MAX))]
    port: Option<u16>,

    /// Address to listen on [default: 0.0.0.0, which is all that this machine has; 127.0.0.1 with dev]
    #[arg(long, env = "WEB_BIND", value_name = "ADDRESS", value_parser = parse_address)]
    web_bind: Option<IpAddr>,

    /// Who shows this token may see the queues [default: who is on the same machine]
    #[arg(long, env = "WEB_TOKEN", value_name = "TOKEN", value_parser = parse_token)]
    web_token: Option<Token>,
}

fn parse_address(text: &str) -> Result<IpAddr, String> {
    text.trim().parse().map_err(|_| "an IP address is needed".to_owned())
}

fn parse_token(text: &str) -> Result<Token, String> {
    let is_sendable = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_graphic());
    is_sendable
        .then(|| Token(text.to_owned()))
        .ok_or_else(|| "printable ASCII characters without spaces are allowed".to_owned())
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

    pub fn token(&self) -> Option<Token> {
        self.web_token.clone()
    }
}

/// A secret that prints nowhere.
#[derive(Clone)]
pub struct Token(String);

impl Token {
    /// Takes as long for a wrong token as for the right one, so that nobody finds it letter by letter.
    pub(super) fn is(&self, shown: &[u8]) -> bool {
        let ours = self.0.as_bytes();
        let mut difference = u8::from(ours.len() != shown.len());
        for (at, &byte) in shown.iter().enumerate() {
            difference |= byte ^ ours[at % ours.len()];
        }
        std::hint::black_box(difference) == 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_token_itself_is_taken() {
        let token = parse_token("secret").unwrap_or_else(|_| unreachable!());
        assert!(token.is(b"secret"));
        for wrong in ["", "s", "secre", "secret1", "secretsecret", "Secret"] {
            assert!(!token.is(wrong.as_bytes()), "{wrong}");
        }
    }

    #[test]
    fn a_token_can_be_sent_in_a_header() {
        assert!(parse_token("a-b_c.d~1/+=").is_ok());
        for wrong in ["", "a b", "schlüssel", "a\n"] {
            assert!(parse_token(wrong).is_err(), "{wrong}");
        }
    }
}
