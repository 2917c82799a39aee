//! The message that goes to Kafka, written and read back: `<path> <meta> <params>`.
//!
//! `meta` is a CGI string with eight keys in a fixed order. No part holds ASCII white space, since consumers split
//! there, and the whole is valid UTF-8 whatever the payload held.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_encode, percent_encode_byte};

use crate::payload::Payload;

/// Everything but the unreserved characters of RFC 3986, section 2.3.
const RESERVED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// The parts of `meta` that hang on the user agent alone, encoded once for all lines that share it, with the keys that
/// stand between them: a message is put together from few pieces.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeviceMeta {
    /// ` bot_name&country`
    till_country: Box<str>,
    /// `&device&device_name&ip=`
    till_ip: Box<str>,
    /// `&platform=&ts=`
    till_timestamp: Box<str>,
}

impl DeviceMeta {
    /// Encodes the four values; a value that is unknown gives a bare key, an unknown platform `platform=`.
    pub fn new(
        bot_name: Option<&str>,
        device: Option<&str>,
        device_name: Option<&str>,
        platform: Option<&str>,
    ) -> Self {
        let (bot_name, device) = (pair("bot_name", bot_name), pair("device", device));
        let (device_name, platform) =
            (pair("device_name", device_name), encoded(platform.unwrap_or_default()));
        Self {
            till_country: format!(" {bot_name}&country").into(),
            till_ip: format!("&{device}&{device_name}&ip=").into(),
            till_timestamp: format!("&platform={platform}&ts=").into(),
        }
    }

    /// Bytes it holds on the heap.
    pub fn heap_bytes(&self) -> usize {
        self.till_country.len() + self.till_ip.len() + self.till_timestamp.len()
    }
}

/// Appends the message of `payload` to `message`.
///
/// `reserved_at` is the time of the reservation in seconds since 1970; nothing else in a message hangs on when or by
/// whom it is written, so that a copy sent again has the same bytes.
pub fn write(
    message: &mut Vec<u8>,
    payload: &Payload<'_>,
    device: &DeviceMeta,
    country: Option<&[u8; 2]>,
    reserved_at: i64,
) {
    write_part(message, payload.path, payload.is_printable);
    message.extend_from_slice(device.till_country.as_bytes());
    if let Some(&[first, second]) = country {
        message.extend_from_slice(&[b'=', first, second]);
    }
    message.extend_from_slice(device.till_ip.as_bytes());
    match payload.address {
        IpAddr::V4(address) => write_integer(message, address.to_bits()),
        IpAddr::V6(address) => write_integer(message, address.to_bits()),
    }
    message.extend_from_slice(b"&klag=");
    write_integer(message, reserved_at.saturating_sub(payload.epoch));
    message.extend_from_slice(device.till_timestamp.as_bytes());
    message.extend_from_slice(payload.timestamp);
    message.push(b' ');
    write_part(message, payload.params, payload.is_printable);
}

/// Appends `part` as it came, but with control bytes and bytes that are not UTF-8 percent-encoded.
fn write_part(message: &mut Vec<u8>, part: &[u8], is_printable: bool) {
    if is_printable {
        message.extend_from_slice(part);
        return;
    }
    for chunk in part.utf8_chunks() {
        for &byte in chunk.valid().as_bytes() {
            if byte.is_ascii_control() {
                message.extend_from_slice(percent_encode_byte(byte).as_bytes());
            } else {
                message.push(byte);
            }
        }
        for &byte in chunk.invalid() {
            message.extend_from_slice(percent_encode_byte(byte).as_bytes());
        }
    }
}

fn write_integer(message: &mut Vec<u8>, integer: impl itoa::Integer) {
    message.extend_from_slice(itoa::Buffer::new().format(integer).as_bytes());
}

fn pair(key: &str, value: Option<&str>) -> String {
    match value {
        Some(value) => format!("{key}={}", encoded(value)),
        None => key.to_owned(),
    }
}

fn encoded(value: &str) -> String {
    percent_encode(value.as_bytes(), RESERVED).to_string()
}

/// A message read back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    pub path: String,
    pub bot_name: Option<String>,
    pub country: Option<String>,
    pub device: Option<String>,
    pub device_name: Option<String>,
    /// The address as one integer: below 2^32 it is read as IPv4, as the consumers do.
    pub ip: u128,
    /// Seconds between the event and its reservation; negative when the tracker's clock is ahead.
    pub klag: i64,
    pub platform: Option<String>,
    /// Seconds since 1970.
    pub ts: i64,
    /// The raw query string.
    pub params: String,
}

/// Why bytes are no message.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum Unreadable {
    #[error("not UTF-8")]
    Encoding,
    #[error("not three parts with one space between them")]
    Parts,
    #[error("no number in {0}")]
    Number(&'static str),
}

impl Message {
    /// Reads a message back.
    ///
    /// # Errors
    /// When the bytes are not three parts, or `ip`, `klag` or `ts` hold no number.
    pub fn parse(message: &[u8]) -> Result<Self, Unreadable> {
        let text = std::str::from_utf8(message).map_err(|_| Unreadable::Encoding)?;
        let mut parts = text.split(' ');
        let (Some(path), Some(meta), Some(params), None) =
            (parts.next(), parts.next(), parts.next(), parts.next())
        else {
            return Err(Unreadable::Parts);
        };
        let value = |key: &str| {
            form_urlencoded::parse(meta.as_bytes())
                .find(|(name, _)| name == key)
                .map(|(_, value)| value.into_owned())
                .filter(|value| !value.is_empty())
        };
        Ok(Self {
            path: path.to_owned(),
            bot_name: value("bot_name"),
            country: value("country"),
            device: value("device"),
            device_name: value("device_name"),
            ip: number(value("ip"), "ip")?,
            klag: number(value("klag"), "klag")?,
            platform: value("platform"),
            ts: number(value("ts"), "ts")?,
            params: params.to_owned(),
        })
    }

    /// The address, as the consumers read it.
    pub fn address(&self) -> IpAddr {
        match u32::try_from(self.ip) {
            Ok(bits) => IpAddr::V4(Ipv4Addr::from_bits(bits)),
            Err(_) => IpAddr::V6(Ipv6Addr::from_bits(self.ip)),
        }
    }
}

fn number<N: std::str::FromStr>(value: Option<String>, key: &'static str) -> Result<N, Unreadable> {
    value.and_then(|value| value.parse().ok()).ok_or(Unreadable::Number(key))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const UNKNOWN: fn() -> DeviceMeta = || DeviceMeta::new(None, None, None, None);

    fn written(line: &[u8], device: &DeviceMeta) -> String {
        let mut message = Vec::new();
        write(&mut message, &Payload::parse(line, &None).unwrap(), device, Some(b"DE"), 1_000);
        String::from_utf8(message).unwrap()
    }

    #[test]
    fn values_are_encoded_as_rfc_3986_says() {
        let device =
            DeviceMeta::new(None, Some("smartphone"), Some("GALAXY S4+;&=\"ü~._-"), Some("gnu/linux"));
        assert_eq!(
            written(b"1.2.3.4 1001 clicks /t a=b", &device),
            "/t bot_name&country=DE&device=smartphone&device_name=GALAXY%20S4%2B%3B%26%3D%22%C3%BC~._-\
             &ip=16909060&klag=-1&platform=gnu%2Flinux&ts=1001 a=b"
        );
    }

    #[test]
    fn control_bytes_and_broken_utf8_are_encoded_and_the_rest_is_untouched() {
        let message = written(b"1.2.3.4 1001 clicks /\x01\xc3\xbc\xff%zz a=\x7f\xc3\x1f+;?", &UNKNOWN());
        assert!(message.starts_with("/%01\u{fc}%FF%zz "), "{message}");
        assert!(message.ends_with(" a=%7F%C3%1F+;?"), "{message}");
    }

    #[test]
    fn what_is_no_message_says_why() {
        for (bytes, why) in [
            (&b"/t a"[..], Unreadable::Parts),
            (b"/t a b c", Unreadable::Parts),
            (b"/t\xff a b", Unreadable::Encoding),
            (b"/t ip=x&klag=1&ts=1 p", Unreadable::Number("ip")),
        ] {
            assert_eq!(Message::parse(bytes), Err(why));
        }
    }

    proptest! {
        #[test]
        fn a_message_parses_back_to_what_went_in(
            bits: u128,
            is_ipv4: bool,
            epoch in 0..i64::MAX,
            reserved_at in 0..i64::MAX,
            path in "/[!-~¡-ÿ]{0,20}",
            params in "[!-~¡-ÿ]{1,40}",
            name in proptest::option::of("\\PC{1,20}"),
        ) {
            let address = if is_ipv4 {
                IpAddr::V4(Ipv4Addr::from_bits(bits as u32))
            } else {
                IpAddr::V6(Ipv6Addr::from_bits(bits))
            };
            let line = format!("{address} {epoch} clicks {path} {params} agent");
            let device = DeviceMeta::new(name.as_deref(), None, name.as_deref(), name.as_deref());
            let payload = Payload::parse(line.as_bytes(), &None).unwrap();
            let mut bytes = Vec::new();
            write(&mut bytes, &payload, &device, None, reserved_at);
            prop_assert!(!bytes.iter().any(|byte| byte.is_ascii_control()));
            let message = Message::parse(&bytes).unwrap();
            prop_assert_eq!(message.path, path);
            prop_assert_eq!(message.params, params);
            prop_assert_eq!(message.ip, match address {
                IpAddr::V4(address) => u128::from(address.to_bits()),
                IpAddr::V6(address) => address.to_bits(),
            });
            prop_assert_eq!(message.ts, epoch);
            prop_assert_eq!(message.klag, reserved_at - epoch);
            prop_assert_eq!((message.country, message.device), (None, None));
            prop_assert_eq!(&message.bot_name, &name);
            prop_assert_eq!(&message.device_name, &name);
            prop_assert_eq!(&message.platform, &name);
        }
    }
}
