//! Under which address a browser has reached us: it may have come through a proxy that speaks TLS for us.

use axum::http::{HeaderMap, header};
use url::{Position, Url};

/// The address, as far as the request tells.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Place {
    is_secure: bool,
    /// Host and port, without the port that the scheme has anyway; none where the request names no sound host.
    authority: Option<String>,
    /// The address is the one that was set, so that the scheme is known for sure.
    is_set: bool,
}

impl Place {
    /// `public` is the address that was set. Without one the headers are believed: whoever forges them leads himself
    /// astray, and nobody else.
    pub fn of(public: Option<&Url>, headers: &HeaderMap) -> Self {
        if let Some(url) = public {
            let authority = url[Position::BeforeHost..Position::AfterPort].to_owned();
            return Self { is_secure: url.scheme() == "https", authority: Some(authority), is_set: true };
        }
        // Each proxy adds its own behind a comma; the first is the one that the browser spoke to.
        let forwarded = headers.get("x-forwarded-proto").and_then(|value| value.to_str().ok());
        let scheme = forwarded.and_then(|value| value.split(',').next()).map_or("", str::trim);
        let is_secure = scheme.eq_ignore_ascii_case("https");
        let host = headers.get(header::HOST).and_then(|value| value.to_str().ok());
        Self { is_secure, authority: host.and_then(|host| authority(is_secure, host)), is_set: false }
    }

    /// Between browser and us, or our proxy, is TLS.
    pub fn is_secure(&self) -> bool {
        self.is_secure
    }

    /// The address of `path`, which begins with a slash.
    pub fn url(&self, path: &str) -> Option<String> {
        let scheme = if self.is_secure { "https" } else { "http" };
        Some(format!("{scheme}://{}{path}", self.authority.as_ref()?))
    }

    /// A form was sent from one of our own pages, as its `Origin` says. A browser sends one with every POST.
    pub fn is_origin(&self, headers: &HeaderMap) -> bool {
        let mut origins = headers.get_all(header::ORIGIN).iter();
        let (Some(origin), None) = (origins.next(), origins.next()) else { return false };
        let Ok(origin) = origin.to_str() else { return false };
        if self.is_set {
            return self.url("").is_some_and(|ours| ours == origin);
        }
        // A proxy may have kept from us that it speaks TLS.
        let Some((scheme, rest)) = origin.split_once("://") else { return false };
        let is_web = matches!(scheme, "http" | "https");
        is_web && authority(scheme == "https", rest).is_some_and(|theirs| self.is_authority(&theirs))
    }

    fn is_authority(&self, theirs: &str) -> bool {
        let without_port = |authority: &str| {
            let stripped = authority.strip_suffix(":443").or_else(|| authority.strip_suffix(":80"));
            stripped.unwrap_or(authority).to_owned()
        };
        self.authority.as_deref().is_some_and(|ours| without_port(ours) == without_port(theirs))
    }
}

/// Host and port in the one way to write them; none where `host` holds anything else.
fn authority(is_secure: bool, host: &str) -> Option<String> {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b".-_:[]".contains(&byte);
    if host.is_empty() || !host.bytes().all(is_plain) {
        return None;
    }
    let scheme = if is_secure { "https" } else { "http" };
    let url = Url::parse(&format!("{scheme}://{host}/")).ok()?;
    Some(url[Position::BeforeHost..Position::AfterPort].to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::http::HeaderName;

    fn headers(pairs: &[(&str, &str)]) -> HeaderMap {
        let pairs = pairs
            .iter()
            .map(|(name, value)| (HeaderName::from_bytes(name.as_bytes()).unwrap(), value.parse().unwrap()));
        pairs.collect()
    }

    fn place(pairs: &[(&str, &str)]) -> Place {
        Place::of(None, &headers(pairs))
    }

    #[test]
    fn the_address_comes_from_the_headers_or_is_set() {
        let url = |pairs: &[(&str, &str)]| place(pairs).url("/auth");
        assert_eq!(url(&[("host", "localhost:5000")]).unwrap(), "http://localhost:5000/auth");
        let behind = [("host", "Pages.Example"), ("x-forwarded-proto", "https,http")];
        assert_eq!(url(&behind).unwrap(), "https://pages.example/auth");
        let public = Url::parse("https://pages.example/").unwrap();
        let set = Place::of(Some(&public), &headers(&[("host", "evil.example")]));
        assert_eq!((set.url("/").unwrap().as_str(), set.is_secure()), ("https://pages.example/", true));
    }

    #[test]
    fn a_host_that_is_none_gives_no_address() {
        for host in ["", "a/b", "a@b", "a b", "a?b", "a#b", "a\\b", "a:b", "[", "ä", "a%2fb", "a,b"] {
            let mut map = HeaderMap::new();
            map.insert("host", axum::http::HeaderValue::from_bytes(host.as_bytes()).unwrap());
            assert_eq!(Place::of(None, &map).url("/"), None, "{host}");
        }
        assert_eq!(place(&[]).url("/"), None);
    }

    #[test]
    fn only_our_own_origin_is_taken() {
        let host = ("host", "pages.example");
        for origin in ["http://pages.example", "https://pages.example", "http://pages.example:80"] {
            assert!(place(&[host]).is_origin(&headers(&[("origin", origin)])), "{origin}");
        }
        for origin in [
            "null",
            "http://evil.example",
            "http://pages.example.evil.example",
            "http://pages.example:8080",
            "http://evil@pages.example",
            "ftp://pages.example",
            "pages.example",
            "",
        ] {
            assert!(!place(&[host]).is_origin(&headers(&[("origin", origin)])), "{origin}");
        }
        assert!(!place(&[host]).is_origin(&headers(&[])));
        assert!(!place(&[]).is_origin(&headers(&[("origin", "http://pages.example")])));
        let public = Url::parse("https://pages.example/").unwrap();
        let set = Place::of(Some(&public), &headers(&[]));
        assert!(set.is_origin(&headers(&[("origin", "https://pages.example")])));
        assert!(!set.is_origin(&headers(&[("origin", "http://pages.example")])));
    }
}
