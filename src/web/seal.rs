//! Values in cookies that a browser keeps for us and cannot change.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use axum::http::{HeaderMap, HeaderValue, header};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use cookie::time::Duration as Age;
use cookie::{Cookie, CookieJar, Key, SameSite};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::place::Place;

/// One kind of cookie, with a key of its own: one kind is never taken for another.
pub(super) struct Seal {
    name: &'static str,
    key: Key,
    lasts: Duration,
}

#[derive(Serialize, Deserialize)]
struct Sealed<T> {
    /// Seconds since 1970. Inside, since a browser need not forget a cookie in time.
    ends_at: u64,
    value: T,
}

impl Seal {
    /// `secret` holds at least 32 bytes.
    pub fn new(name: &'static str, secret: &[u8], lasts: Duration) -> Self {
        let key = Key::derive_from(&[secret, name.as_bytes()].concat());
        Self { name, key, lasts }
    }

    /// A `Set-Cookie` with the value.
    pub fn set(&self, value: &impl Serialize, place: &Place) -> HeaderValue {
        self.set_at(value, place, now())
    }

    fn set_at(&self, value: &impl Serialize, place: &Place, now: u64) -> HeaderValue {
        let sealed = Sealed { ends_at: now + self.lasts.as_secs(), value };
        let json = serde_json::to_vec(&sealed).expect("what we seal has no keys but text");
        let mut jar = CookieJar::new();
        jar.signed_mut(&self.key).add(Cookie::new(self.name, URL_SAFE_NO_PAD.encode(json)));
        let value = jar.get(self.name).expect("it was put in").value().to_owned();
        self.header(value, self.lasts, place)
    }

    /// A `Set-Cookie` that makes the browser forget it.
    pub fn forget(&self, place: &Place) -> HeaderValue {
        self.header(String::new(), Duration::ZERO, place)
    }

    /// What was sealed, unless it was changed or its time is over.
    pub fn read<T: DeserializeOwned>(&self, headers: &HeaderMap, place: &Place) -> Option<T> {
        self.read_at(headers, place, now())
    }

    fn read_at<T: DeserializeOwned>(&self, headers: &HeaderMap, place: &Place, now: u64) -> Option<T> {
        let name = self.name_at(place);
        let lines = headers.get_all(header::COOKIE).iter().filter_map(|line| line.to_str().ok());
        let cookies = lines.flat_map(|line| Cookie::split_parse(line.to_owned()).filter_map(Result::ok));
        // There may be several of the name, when another site of our domain has planted one.
        let sealed = cookies.filter(|cookie| cookie.name() == name).find_map(|cookie| self.open(cookie))?;
        (sealed.ends_at > now).then_some(sealed.value)
    }

    fn open<T: DeserializeOwned>(&self, cookie: Cookie<'static>) -> Option<Sealed<T>> {
        let verified = CookieJar::new().signed(&self.key).verify(cookie)?;
        serde_json::from_slice(&URL_SAFE_NO_PAD.decode(verified.value()).ok()?).ok()
    }

    /// Behind TLS the prefix makes the browser refuse it from anyone but this very host, by TLS (RFC 6265bis).
    fn name_at(&self, place: &Place) -> String {
        format!("{}{}", if place.is_secure() { "__Host-" } else { "" }, self.name)
    }

    fn header(&self, value: String, lasts: Duration, place: &Place) -> HeaderValue {
        let cookie = Cookie::build((self.name_at(place), value))
            .path("/")
            .http_only(true)
            // A link from elsewhere, and the way back from the provider, find their visitor signed in; a form does not.
            .same_site(SameSite::Lax)
            .secure(place.is_secure())
            .max_age(Age::seconds(lasts.as_secs().cast_signed()));
        HeaderValue::try_from(cookie.to_string()).expect("base64 and our own names fit into a header")
    }
}

fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs()
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: Duration = Duration::from_secs(3600);
    const SECRET: &[u8] = b"0123456789abcdef0123456789abcdef";

    fn place(scheme: &str) -> Place {
        let pairs = [(header::HOST, "a"), (header::HeaderName::from_static("x-forwarded-proto"), scheme)];
        Place::of(None, &pairs.map(|(name, value)| (name, value.parse().unwrap())).into_iter().collect())
    }

    fn shown(cookie: &str) -> HeaderMap {
        [(header::COOKIE, cookie.parse().unwrap())].into_iter().collect()
    }

    /// What the browser would send back.
    fn pair(set: &HeaderValue) -> String {
        set.to_str().unwrap().split(';').next().unwrap().to_owned()
    }

    #[test]
    fn what_was_sealed_is_read_until_its_time_is_over() {
        let seal = Seal::new("s", SECRET, HOUR);
        let set = seal.set_at(&"it's me", &place("http"), 1000);
        let read = |now| seal.read_at::<String>(&shown(&pair(&set)), &place("http"), now);
        assert_eq!(read(1000).as_deref(), Some("it's me"));
        assert_eq!(read(4599).as_deref(), Some("it's me"));
        assert_eq!(read(4600), None);
    }

    #[test]
    fn what_was_changed_or_sealed_by_another_is_not_read() {
        let seal = Seal::new("s", SECRET, HOUR);
        let good = pair(&seal.set_at(&7, &place("http"), 0));
        let read = |cookie: &str| seal.read_at::<u8>(&shown(cookie), &place("http"), 0);
        assert_eq!(read(&good), Some(7));
        for at in 2..good.len() {
            let mut changed = good.clone().into_bytes();
            changed[at] = if changed[at] == b'A' { b'B' } else { b'A' };
            // The last letter of base64 has bits that nobody reads.
            let changed = String::from_utf8(changed).unwrap();
            if let Some(value) = read(&changed) {
                assert_eq!((value, at + 1), (7, good.len()), "{changed}");
            }
            assert_eq!(read(&good[..at]), None);
        }
        for cookie in ["", "s", "s=", "s=====", "=;;;", "s=\"", "t=1; s=x"] {
            assert_eq!(read(cookie), None, "{cookie}");
        }
        let other_secret = Seal::new("s", &[7; 32], HOUR).set_at(&7, &place("http"), 0);
        let other_kind = Seal::new("t", SECRET, HOUR).set_at(&7, &place("http"), 0);
        assert_eq!(read(&pair(&other_secret)), None);
        assert_eq!(read(&pair(&other_kind).replacen('t', "s", 1)), None);
        assert_eq!(read(&format!("s=planted; {good}")), Some(7));
    }

    #[test]
    fn behind_tls_the_cookie_is_for_this_host_by_tls_alone() {
        let seal = Seal::new("s", SECRET, HOUR);
        let set = seal.set_at(&7, &place("https"), 0);
        let text = set.to_str().unwrap();
        assert!(text.starts_with("__Host-s="), "{text}");
        for attribute in ["; HttpOnly", "; SameSite=Lax", "; Secure", "; Path=/", "; Max-Age=3600"] {
            assert!(text.contains(attribute), "{attribute} is not in {text}");
        }
        let plain = pair(&seal.set_at(&7, &place("http"), 0));
        assert_eq!(seal.read_at::<u8>(&shown(&plain), &place("https"), 0), None);
        assert!(!seal.set_at(&7, &place("http"), 0).to_str().unwrap().contains("Secure"));
    }
}
