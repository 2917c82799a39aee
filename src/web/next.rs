//! Where to go after the sign-in. It comes from outside, so it may lead to our own pages alone.

/// Longer than any of ours, and short enough for a cookie.
const LONGEST: usize = 1024;

/// The field `next` of a query, or the start page.
pub(super) fn of_query(query: Option<&str>) -> String {
    let fields = form_urlencoded::parse(query.unwrap_or_default().as_bytes());
    let next = fields.into_iter().find_map(|(name, value)| (name == "next").then_some(value));
    local(next.as_deref().unwrap_or_default()).to_owned()
}

/// `path` where it is one of ours, else the start page.
pub(super) fn local(path: &str) -> &str {
    // A browser takes a backslash for a slash, and what begins with two slashes for another host.
    let is_path = path.starts_with('/') && !path.starts_with("//");
    let is_plain = path.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'\\');
    let is_sign_in = path.split(['/', '?', '#']).nth(1) == Some("auth");
    if is_path && is_plain && !is_sign_in && path.len() <= LONGEST { path } else { "/" }
}

/// `path` with `next` as its query.
pub(super) fn with(path: &str, next: &str) -> String {
    let query = form_urlencoded::Serializer::new(String::new()).append_pair("next", next).finish();
    format!("{path}?{query}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn our_own_pages_are_gone_to() {
        for path in ["/", "/badclicks", "/badclicks?reason=ip&page=2", "/authors", "/explain#result"] {
            assert_eq!(local(path), path);
            let link = with("/auth", path);
            assert_eq!(of_query(link.strip_prefix("/auth?")), path);
        }
    }

    #[test]
    fn nothing_leads_away() {
        let long = format!("/{}", "a".repeat(LONGEST));
        for path in [
            "",
            "badclicks",
            "//evil.example",
            "///evil.example",
            "/\\evil.example",
            "\\\\evil.example",
            "/a\\b",
            "https://evil.example",
            "javascript:alert(1)",
            " /",
            "/a b",
            "/\t/evil.example",
            "/\r\nSet-Cookie: a=b",
            "/\u{0}",
            "/\u{ff0f}evil.example",
            "/auth",
            "/auth?next=/auth",
            "/auth/logout",
            &long,
        ] {
            assert_eq!(local(path), "/", "{path:?}");
        }
        assert_eq!(of_query(Some("next=%2F%2Fevil.example")), "/");
        assert_eq!(of_query(Some("next=%0d%0a")), "/");
        assert_eq!(of_query(Some("%ff%%%&&==")), "/");
        assert_eq!(of_query(None), "/");
    }
}
