//! The pages, asked as a browser asks them.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::time::Duration;

use crate::harness::{self, Program};

const SOON: Duration = Duration::from_secs(30);
const PASSWORD: &str = "correct horse battery staple";

/// Somebody who has signed in.
pub struct Browser {
    pub web: Program,
    port: u16,
    pub cookie: String,
    pub csrf: String,
}

pub struct Answer {
    pub status: u16,
    head: String,
    pub body: String,
}

impl Browser {
    pub fn sign_in(redis_url: &str) -> Self {
        let port = harness::free_port();
        let variables = [("PORT", &*port.to_string()), ("REDIS_URL", redis_url), ("WEB_PASSWORD", PASSWORD)];
        let web = Program::start(&["web"], &variables);
        web.wait_for_line("web started", SOON);
        let mut browser = Self { web, port, cookie: String::new(), csrf: String::new() };
        let entered = browser.send("/auth", &[("password", PASSWORD), ("next", "/explain")]);
        assert_eq!((entered.status, entered.location()), (303, "/explain"), "{}", entered.body);
        browser.cookie = entered.header("set-cookie").unwrap().split(';').next().unwrap().to_owned();
        browser.csrf = browser.get("/explain").between("name=\"csrf\" value=\"", "\"")[0].to_owned();
        browser
    }

    pub fn ask(&self, request: &str, headers: &str, body: &str) -> Answer {
        let mut stream = TcpStream::connect(("127.0.0.1", self.port)).unwrap();
        let cookie = &self.cookie;
        write!(stream, "{request} HTTP/1.1\r\nHost: localhost:{}\r\nConnection: close\r\n", self.port)
            .unwrap();
        write!(stream, "Cookie: {cookie}\r\n{headers}\r\n{body}").unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        Answer { status, head: head.to_owned(), body: body.to_owned() }
    }

    pub fn get(&self, path: &str) -> Answer {
        self.ask(&format!("GET {path}"), "", "")
    }

    /// A form, as it is.
    pub fn send(&self, path: &str, fields: &[(&str, &str)]) -> Answer {
        let body = form_urlencoded::Serializer::new(String::new()).extend_pairs(fields).finish();
        let (port, length) = (self.port, body.len());
        let headers = format!(
            "Origin: http://localhost:{port}\r\nContent-Type: application/x-www-form-urlencoded\r\n\
             Content-Length: {length}\r\n"
        );
        self.ask(&format!("POST {path}"), &headers, &body)
    }

    /// A form from one of our pages.
    pub fn post(&self, path: &str, fields: &[(&str, &str)]) -> Answer {
        self.send(path, &[fields, &[("csrf", &*self.csrf)]].concat())
    }

    /// The same, and where it leads: what the visitor is told there.
    #[track_caller]
    pub fn told(&self, path: &str, fields: &[(&str, &str)]) -> String {
        let answer = self.post(path, fields);
        assert_eq!(answer.status, 303, "{}", answer.body);
        let next = self.get(answer.location());
        assert_eq!(next.status, 200, "{}", next.body);
        next.between("role=\"status\">", "</p>")[0].to_owned()
    }
}

impl Answer {
    pub fn header(&self, name: &str) -> Option<&str> {
        let pairs = self.head.lines().filter_map(|line| line.split_once(": "));
        pairs.into_iter().find_map(|(found, value)| found.eq_ignore_ascii_case(name).then_some(value))
    }

    pub fn location(&self) -> &str {
        self.header("location").unwrap_or_default()
    }

    pub fn between(&self, before: &str, after: &str) -> Vec<&str> {
        self.body.split(before).skip(1).map(|rest| rest.split(after).next().unwrap()).collect()
    }
}
