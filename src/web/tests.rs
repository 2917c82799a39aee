//! The endpoints over a real socket; what needs a Redis is tested in `tests/`.
//!
//! - `limits`: clients that are slow, or send too much
//! - `sign_in`: the way in, and all that is not one

mod limits;
mod sign_in;

use super::*;
use crate::queue;
use clap::Parser;
use std::net::SocketAddr;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

#[derive(Parser)]
struct Program {
    #[command(flatten)]
    redis: queue::Settings,
    #[command(flatten)]
    web: Settings,
    #[command(flatten)]
    enrich: enrich::Settings,
}

/// The web process, on a Redis that is not there.
struct Served {
    address: SocketAddr,
    stop: oneshot::Sender<()>,
    serving: JoinHandle<()>,
}

impl Served {
    async fn start(arguments: &[&str]) -> Self {
        Self::start_as(arguments, |access| access).await
    }

    async fn start_as(arguments: &[&str], change: impl FnOnce(Access) -> Access) -> Self {
        let nobody = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let redis = format!("--redis-url=redis://{nobody}");
        let program = Program::try_parse_from([&["web", redis.as_str()], arguments].concat()).unwrap();
        let access = change(program.web.access().unwrap());
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (stop, stopped) = oneshot::channel::<()>();
        let serving = tokio::spawn(async move {
            let stopped = async move { stopped.await.unwrap_or_default() };
            serve(listener, &program.redis.servers().unwrap(), access, program.enrich, stopped).await;
        });
        Self { address, stop, serving }
    }

    async fn connect(&self) -> TcpStream {
        TcpStream::connect(self.address).await.unwrap()
    }

    /// What comes for a first line with these further headers, which end in `\r\n`, and this body.
    async fn ask(&self, line: &str, headers: &str, body: &str) -> Answer {
        let host = self.address;
        let request = format!("{line} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n{headers}\r\n{body}");
        let mut stream = self.connect().await;
        stream.write_all(request.as_bytes()).await.unwrap();
        Answer(rest(&mut stream).await)
    }

    async fn get(&self, path: &str) -> Answer {
        self.ask(&format!("GET {path}"), "", "").await
    }

    /// Sends a form as a browser does from one of our pages.
    async fn post(&self, path: &str, headers: &str, form: &str) -> Answer {
        let length = form.len();
        let headers = format!(
            "Origin: http://{}\r\nContent-Type: application/x-www-form-urlencoded\r\n\
             Content-Length: {length}\r\n{headers}",
            self.address
        );
        self.ask(&format!("POST {path}"), &headers, form).await
    }

    async fn stop(self) {
        self.stop.send(()).unwrap();
        self.serving.await.unwrap();
    }
}

/// All that comes until the connection is closed, or broken off because more was sent than was read.
async fn rest(stream: &mut TcpStream) -> String {
    let mut bytes = Vec::new();
    stream.read_to_end(&mut bytes).await.unwrap_or_default();
    String::from_utf8_lossy(&bytes).into_owned()
}

/// All that came, until the connection was closed.
struct Answer(String);

impl Answer {
    #[track_caller]
    fn status(&self) -> u16 {
        self.0
            .split(' ')
            .nth(1)
            .and_then(|status| status.parse().ok())
            .unwrap_or_else(|| panic!("{}", self.0))
    }

    fn header(&self, name: &str) -> Option<&str> {
        let (head, _) = self.0.split_once("\r\n\r\n")?;
        let pairs = head.lines().filter_map(|line| line.split_once(": "));
        pairs.into_iter().find_map(|(found, value)| found.eq_ignore_ascii_case(name).then_some(value))
    }

    /// The cookie that was set, as a browser sends it back.
    fn cookie(&self) -> Option<String> {
        let pair = self.header("set-cookie")?.split(';').next()?;
        Some(format!("Cookie: {pair}\r\n"))
    }

    fn body(&self) -> &str {
        self.0.split_once("\r\n\r\n").map_or("", |(_, body)| body)
    }
}

#[tokio::test]
async fn without_redis_it_says_so_at_once() {
    let web = Served::start(&[]).await;
    let health = web.get("/health").await;
    assert_eq!(health.status(), 503);
    assert_eq!(health.body(), r#"{"ok":false,"reasons":["redis does not answer"]}"#);
    assert_eq!(web.get("/pingdom").await.status(), 503);
    let queues = web.get("/queues").await;
    assert_eq!(queues.status(), 503);
    assert!(queues.body().contains(r#""error":"redis does not answer""#), "{}", queues.0);
    web.stop().await;
}

#[tokio::test]
async fn paths_and_methods_that_are_not_there_are_refused() {
    let web = Served::start(&[]).await;
    for path in
        ["/nowhere", "/health/", "/auth/", "/assets/", "/assets/..%2fmod.rs", "//", "/%00", "/%ff", "*"]
    {
        assert_eq!(web.get(path).await.status(), 404, "{path}");
    }
    for line in
        ["POST /health", "DELETE /queues", "OPTIONS /health", "BREW /auth", "PUT /auth", "TRACE /auth"]
    {
        assert_eq!(web.ask(line, "", "").await.status(), 405, "{line}");
    }
    let head = web.ask("HEAD /assets/style.css", "", "").await;
    assert_eq!((head.status(), head.body()), (200, ""));
    assert!(head.header("content-length").unwrap().parse::<usize>().unwrap() > 1000);
    web.stop().await;
}

#[tokio::test]
async fn the_queues_ask_for_the_token() {
    let web = Served::start(&["--web-token=s"]).await;
    let queues = web.get("/queues").await;
    assert_eq!(
        (queues.status(), queues.header("www-authenticate")),
        (401, Some("Bearer realm=\"kafkastore\""))
    );
    assert_eq!(web.get("/health").await.status(), 503);
    web.stop().await;
}

#[tokio::test]
async fn every_answer_tells_a_browser_how_little_it_may_do() {
    let web = Served::start(&["--web-password=pass word"]).await;
    for path in ["/health", "/auth", "/nowhere", "/auth/logout", "/assets/style.css", "/assets/none"] {
        let answer = web.get(path).await;
        let policy = answer.header("content-security-policy").unwrap();
        for rule in
            ["default-src 'none'", "script-src 'self';", "style-src 'self';", "frame-ancestors 'none'"]
        {
            assert!(policy.contains(rule), "{path}: {policy}");
        }
        assert!(!policy.contains("unsafe"), "{path}: {policy}");
        assert_eq!(answer.header("x-content-type-options"), Some("nosniff"), "{path}");
        assert_eq!(answer.header("referrer-policy"), Some("same-origin"), "{path}");
        assert_eq!(answer.header("strict-transport-security"), None, "{path}");
    }
    let by_tls = web.ask("GET /auth", "X-Forwarded-Proto: https\r\n", "").await;
    assert!(by_tls.header("strict-transport-security").is_some());
    web.stop().await;
}
