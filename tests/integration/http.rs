//! As much of a browser as a sign-in needs: cookies by site, forms, and redirects that the test follows itself.

use std::collections::BTreeMap;
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::time::Duration;

/// Keeps cookies by host and port; real ones forget the port.
#[derive(Default)]
pub struct Browser {
    cookies: BTreeMap<String, BTreeMap<String, String>>,
}

pub struct Page {
    pub status: u16,
    headers: Vec<(String, String)>,
    pub body: String,
    /// Where it came from: `http://host:port`.
    origin: String,
}

impl Page {
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(found, _)| found.eq_ignore_ascii_case(name)).map(|(_, value)| &**value)
    }

    /// Where it leads, as a whole address.
    #[track_caller]
    pub fn location(&self) -> String {
        let location =
            self.header("location").unwrap_or_else(|| panic!("{}: {} leads nowhere", self.status, self.body));
        if location.starts_with('/') { format!("{}{location}", self.origin) } else { location.to_owned() }
    }

    /// The value of the first hidden field of this name.
    #[track_caller]
    pub fn field(&self, name: &str) -> String {
        let start = format!("name=\"{name}\" value=\"");
        let after = self.body.split(&start).nth(1).unwrap_or_else(|| panic!("no {name} in {}", self.body));
        after.split('"').next().unwrap().to_owned()
    }
}

impl Browser {
    #[track_caller]
    pub fn get(&mut self, url: &str) -> Page {
        self.ask("GET", url, "", "")
    }

    /// Sends a form from a page of the same site.
    #[track_caller]
    pub fn post(&mut self, url: &str, form: &[(&str, &str)]) -> Page {
        let body = form_urlencoded::Serializer::new(String::new()).extend_pairs(form).finish();
        let (origin, _) = parts(url);
        let headers = format!(
            "Origin: {origin}\r\nContent-Type: application/x-www-form-urlencoded\r\nContent-Length: {}\r\n",
            body.len()
        );
        self.ask("POST", url, &headers, &body)
    }

    #[track_caller]
    fn ask(&mut self, method: &str, url: &str, headers: &str, body: &str) -> Page {
        let (origin, path) = parts(url);
        let host = origin.strip_prefix("http://").unwrap();
        let jar = self.cookies.entry(host.to_owned()).or_default();
        let cookies: Vec<String> = jar.iter().map(|(name, value)| format!("{name}={value}")).collect();
        let cookies =
            if cookies.is_empty() { String::new() } else { format!("Cookie: {}\r\n", cookies.join("; ")) };
        let mut stream = TcpStream::connect(host).unwrap_or_else(|error| panic!("{host}: {error}"));
        stream.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
        let request = format!(
            "{method} {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n{cookies}{headers}\r\n{body}"
        );
        stream.write_all(request.as_bytes()).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();

        let (head, body) = answer.split_once("\r\n\r\n").unwrap_or_else(|| panic!("{url}: {answer:?}"));
        let headers: Vec<(String, String)> = head
            .lines()
            .filter_map(|line| line.split_once(": "))
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .collect();
        for (_, set) in headers.iter().filter(|(name, _)| name.eq_ignore_ascii_case("set-cookie")) {
            let (pair, attributes) = set.split_once(';').unwrap_or((set, ""));
            let (name, value) = pair.split_once('=').unwrap();
            let is_over = value.is_empty() || attributes.contains("Max-Age=0");
            if is_over {
                jar.remove(name);
            } else {
                jar.insert(name.to_owned(), value.to_owned());
            }
        }
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        Page { status, headers, body: body.to_owned(), origin }
    }
}

/// `http://host:port`, and the rest.
fn parts(url: &str) -> (String, &str) {
    let after_scheme = url.strip_prefix("http://").unwrap_or_else(|| panic!("{url}"));
    let (host, _) = after_scheme.split_once('/').unwrap_or((after_scheme, ""));
    let path = &after_scheme[host.len()..];
    (format!("http://{host}"), if path.is_empty() { "/" } else { path })
}
