//! The way in, by password and by a real provider of OpenID Connect.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::path::Path;
use std::time::{Duration, Instant};

use crate::harness::{self, Launch, Program, free_port, package_root};
use crate::http::{Browser, Page};

const SOON: Duration = Duration::from_secs(20);
const SECRET: &str = "client-secret-of-the-test";

struct Web {
    program: Program,
    url: String,
}

impl Web {
    fn start(port: u16, variables: &[(&str, &str)]) -> Self {
        let redis = harness::redis().fresh_database();
        let port = port.to_string();
        let all = [&[("PORT", &*port), ("REDIS_URL", &*redis), ("RUST_LOG", "debug")], variables].concat();
        let program = Program::start(&["web"], &all);
        program.wait_for_line("web started", SOON);
        Self { program, url: format!("http://127.0.0.1:{port}") }
    }

    fn url(&self, path: &str) -> String {
        format!("{}{path}", self.url)
    }

    fn knows(&self, browser: &mut Browser) -> bool {
        browser.get(&self.url("/auth/logout")).status == 200
    }
}

/// A provider, and a web process that trusts it.
struct Elsewhere {
    provider: Program,
    provider_port: u16,
    web: Web,
}

impl Elsewhere {
    fn start() -> Self {
        Self::start_as(&[])
    }

    fn start_as(options: &[&str]) -> Self {
        let (provider_port, port) = (free_port(), free_port());
        let provider = start_provider(provider_port, port, options);
        let issuer = format!("http://127.0.0.1:{provider_port}");
        let variables = [
            ("GOOGLE_CLIENT_ID", "kafkastore"),
            ("GOOGLE_CLIENT_SECRET", SECRET),
            ("OIDC_ISSUER", &*issuer),
            ("ACCESS_DOMAINS", "right.example"),
            ("ACCESS_EMAILS", "listed@other.example"),
        ];
        Self { provider, provider_port, web: Web::start(port, &variables) }
    }

    /// Goes to the provider as `address`, and comes back as far as the address that the provider sends it to.
    fn go_there(&self, browser: &mut Browser, address: &str, change: impl Fn(String) -> String) -> String {
        let begun = browser.get(&self.web.url("/auth/google_oauth2?next=%2Fqueues"));
        assert_eq!(begun.status, 303, "{}", begun.body);
        let mut url = change(format!("{}&login_hint={address}", begun.location()));
        for _ in 0..5 {
            url = browser.get(&url).location();
            if url.starts_with(&self.web.url) {
                return url;
            }
        }
        panic!("it never came back");
    }

    fn sign_in(&self, browser: &mut Browser, address: &str) -> Page {
        let back = self.go_there(browser, address, |url| url);
        browser.get(&back)
    }

    /// The reason that stands on the page where it ends.
    fn refusal(&self, browser: &mut Browser, answer: &Page) -> String {
        assert_eq!(answer.status, 303, "{}", answer.body);
        let page = browser.get(&answer.location());
        assert_eq!(page.status, 403, "{}", page.body);
        assert!(!self.web.knows(browser));
        let reason = page.body.split("notice bad\">").nth(1).unwrap();
        reason.split('<').next().unwrap().to_owned()
    }
}

fn start_provider(port: u16, web_port: u16, options: &[&str]) -> Program {
    let script = package_root().join("tests/oidc/provider.mjs");
    let redirect = format!("http://127.0.0.1:{web_port}/auth/google_oauth2/callback");
    let port = port.to_string();
    let arguments = [&[script.to_str().unwrap(), &*port, &*redirect], options].concat();
    let provider = Launch::of(Path::new("node"), &arguments).start();
    provider.wait_for_line("ready", SOON);
    provider
}

/// What is between `name=` and the next `&`, replaced.
fn with_field(url: &str, name: &str, value: &str) -> String {
    let (before, after) = url.split_once(&format!("{name}=")).unwrap();
    let rest = after.find('&').map_or("", |end| &after[end..]);
    format!("{before}{name}={value}{rest}")
}

#[test]
fn the_right_domain_and_the_right_address_come_in() {
    let elsewhere = Elsewhere::start();
    for address in ["somebody@right.example", "Somebody@RIGHT.example", "listed@other.example"] {
        let mut browser = Browser::default();
        assert!(!elsewhere.web.knows(&mut browser));
        let entered = elsewhere.sign_in(&mut browser, address);
        assert_eq!((entered.status, entered.location()), (303, elsewhere.web.url("/queues")), "{address}");
        let page = browser.get(&elsewhere.web.url("/auth/logout"));
        assert!(page.body.contains(&address.to_ascii_lowercase()), "{}", page.body);
        assert_eq!(browser.get(&entered.location()).status, 200);

        let csrf = page.field("csrf");
        assert_eq!(browser.post(&elsewhere.web.url("/auth/logout"), &[("csrf", &csrf)]).status, 303);
        assert!(!elsewhere.web.knows(&mut browser));
    }
    let usage = elsewhere.web.program.usage();
    assert!(usage.peak_resident < 32 * 1024 * 1024, "{}", usage.peak_resident);
    let said = elsewhere.web.program.stderr_text() + &elsewhere.web.program.stdout_text();
    for secret in [SECRET, "right.example", "other.example", "code=", "eyJ"] {
        assert!(!said.contains(secret), "{secret} stands in the log:\n{said}");
    }
}

#[test]
fn who_is_not_listed_or_not_verified_stays_outside() {
    let elsewhere = Elsewhere::start();
    for (address, reason) in [
        ("somebody@wrong.example", "Your address is not one of those that may enter."),
        ("somebody@sub.right.example", "Your address is not one of those that may enter."),
        ("right.example", "Your address is not one of those that may enter."),
        ("somebody@other.example", "Your address is not one of those that may enter."),
        ("unverified@right.example", "The provider has not verified your address."),
    ] {
        let mut browser = Browser::default();
        let refused = elsewhere.sign_in(&mut browser, address);
        assert_eq!(elsewhere.refusal(&mut browser, &refused), reason, "{address}");
    }
}

#[test]
fn a_token_that_is_not_for_us_now_by_the_provider_is_not_believed() {
    let elsewhere = Elsewhere::start();
    for (flaw, logged) in [
        ("expired", "Expired: ID token expired"),
        ("audience", "Invalid audiences"),
        ("issuer", "Invalid issuer"),
        ("signature", "Signature verification failed"),
        ("unsigned", "Signature verification failed"),
    ] {
        let mut browser = Browser::default();
        let refused = elsewhere.sign_in(&mut browser, &format!("{flaw}@right.example"));
        let reason = elsewhere.refusal(&mut browser, &refused);
        assert_eq!(reason, "The provider did not answer as it should. Please try again.", "{flaw}");
        elsewhere.web.program.wait_for_line(logged, SOON);
    }
    let mut browser = Browser::default();
    let back = elsewhere
        .go_there(&mut browser, "somebody@right.example", |url| with_field(&url, "nonce", "another"));
    let refused = browser.get(&back);
    let reason = elsewhere.refusal(&mut browser, &refused);
    assert_eq!(reason, "The provider did not answer as it should. Please try again.");
    elsewhere.web.program.wait_for_line("Invalid nonce", SOON);
}

#[test]
fn what_comes_back_must_have_begun_in_the_same_browser_just_now() {
    const STALE: &str = "The sign-in took too long, or was begun in another browser. Please try again.";
    let elsewhere = Elsewhere::start();
    let mut browser = Browser::default();
    let back = elsewhere.go_there(&mut browser, "somebody@right.example", |url| url);
    let refused = browser.get(&with_field(&back, "state", "another"));
    assert_eq!(elsewhere.refusal(&mut browser, &refused), STALE);
    let again = browser.get(&back);
    assert_eq!(elsewhere.refusal(&mut browser, &again), STALE, "one try is all there is");

    let stolen = elsewhere.go_there(&mut Browser::default(), "somebody@right.example", |url| url);
    let mut victim = Browser::default();
    let refused = victim.get(&stolen);
    assert_eq!(elsewhere.refusal(&mut victim, &refused), STALE);
    elsewhere.go_there(&mut victim, "somebody@right.example", |url| url);
    let refused = victim.get(&stolen);
    assert_eq!(elsewhere.refusal(&mut victim, &refused), STALE);

    for query in ["", "?code=x", "?state=x", "?state=&code=", "?error=%3Cscript%3E", "?%ff=%00"] {
        let refused = victim.get(&elsewhere.web.url(&format!("/auth/google_oauth2/callback{query}")));
        // After ten of them it has to wait.
        assert!(refused.status == 429 || elsewhere.refusal(&mut victim, &refused) == STALE, "{query}");
    }
}

#[test]
fn a_provider_that_keeps_addresses_out_of_its_tokens_is_asked_for_them() {
    let elsewhere = Elsewhere::start_as(&["apart"]);
    let mut browser = Browser::default();
    let entered = elsewhere.sign_in(&mut browser, "somebody@right.example");
    assert_eq!(entered.location(), elsewhere.web.url("/queues"));
    for (address, reason) in [
        ("somebody@wrong.example", "Your address is not one of those that may enter."),
        ("unverified@right.example", "The provider has not verified your address."),
    ] {
        let mut browser = Browser::default();
        let refused = elsewhere.sign_in(&mut browser, address);
        assert_eq!(elsewhere.refusal(&mut browser, &refused), reason, "{address}");
    }
}

#[test]
fn who_turns_back_at_the_provider_is_told_so() {
    let elsewhere = Elsewhere::start();
    let mut browser = Browser::default();
    let back = elsewhere.go_there(&mut browser, "", |url| url);
    let refused = browser.get(&back);
    assert_eq!(elsewhere.refusal(&mut browser, &refused), "The sign-in was broken off.");
}

#[test]
fn a_code_is_good_once_and_for_us_alone() {
    let elsewhere = Elsewhere::start();
    let mut browser = Browser::default();
    let back = elsewhere.go_there(&mut browser, "somebody@right.example", |url| url);
    let refused = browser.get(&with_field(&back, "code", "another"));
    let reason = elsewhere.refusal(&mut browser, &refused);
    assert_eq!(reason, "The provider did not answer as it should. Please try again.");
}

#[test]
fn new_keys_of_the_provider_are_fetched_and_it_may_be_away_for_a_while() {
    let elsewhere = Elsewhere::start();
    let mut browser = Browser::default();
    assert_eq!(
        elsewhere.sign_in(&mut browser, "somebody@right.example").location(),
        elsewhere.web.url("/queues")
    );

    elsewhere.provider.kill();
    let web_port: u16 = elsewhere.web.url.rsplit(':').next().unwrap().parse().unwrap();
    let _again = start_provider(elsewhere.provider_port, web_port, &[]);
    let mut browser = Browser::default();
    assert_eq!(
        elsewhere.sign_in(&mut browser, "somebody@right.example").location(),
        elsewhere.web.url("/queues")
    );
}

#[test]
fn a_provider_that_is_away_is_said_to_be_and_costs_nobody_time() {
    let nobody = format!("http://127.0.0.1:{}", free_port());
    let variables = [
        ("GOOGLE_CLIENT_ID", "kafkastore"),
        ("GOOGLE_CLIENT_SECRET", SECRET),
        ("OIDC_ISSUER", &*nobody),
        ("ACCESS_DOMAINS", "right.example"),
        ("WEB_PASSWORD", "correct horse"),
    ];
    let web = Web::start(free_port(), &variables);
    let mut browser = Browser::default();
    let asked_at = Instant::now();
    for _ in 0..20 {
        let page = browser.get(&web.url("/auth/google_oauth2"));
        assert_eq!((page.status, page.header("retry-after")), (503, Some("10")), "{}", page.body);
    }
    assert!(asked_at.elapsed() < Duration::from_secs(5), "{:?}", asked_at.elapsed());
    let entered = browser.post(&web.url("/auth"), &[("password", "correct horse")]);
    assert_eq!(entered.status, 303);
    assert!(web.knows(&mut browser), "the password goes without the provider");
}

#[test]
fn it_starts_at_once_and_is_small_whoever_connects() {
    let redis = harness::redis().fresh_database();
    let port = free_port();
    let port_text = port.to_string();
    let started_at = Instant::now();
    let variables = [("PORT", &*port_text), ("REDIS_URL", &*redis), ("WEB_PASSWORD", "correct horse")];
    let program = Program::start(&["web"], &variables);
    let connect = || TcpStream::connect(("127.0.0.1", port));
    while connect().is_err() {
        assert!(started_at.elapsed() < SOON, "it does not listen");
        std::thread::sleep(Duration::from_millis(1));
    }
    let took = started_at.elapsed();
    assert!(took < Duration::from_millis(200), "{took:?}");

    let sign_in = format!("http://127.0.0.1:{port}/auth");
    let mut browser = Browser::default();
    assert_eq!(browser.post(&sign_in, &[("password", "correct horse")]).status, 303);

    // As many as there may be, each with a head or a form that is never finished.
    let head = format!("GET /auth HTTP/1.1\r\nHost: a\r\nX: {}", "a".repeat(15_000));
    let form = format!(
        "POST /auth HTTP/1.1\r\nHost: a\r\nOrigin: http://a\r\nContent-Length: 8000\r\n\
         Content-Type: application/x-www-form-urlencoded\r\n\r\n{}",
        "a".repeat(7_000)
    );
    let mut held: Vec<TcpStream> = (0..512).map(|_| connect().unwrap()).collect();
    for (at, stream) in held.iter_mut().enumerate() {
        stream.write_all(if at % 2 == 0 { head.as_bytes() } else { form.as_bytes() }).unwrap();
    }
    let mut waiting = connect().unwrap();
    waiting.write_all(b"GET /sidekiq HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n").unwrap();
    waiting.set_read_timeout(Some(Duration::from_millis(300))).unwrap();
    assert!(waiting.read(&mut [0; 1]).is_err(), "it waits for a free connection");
    let usage = program.usage();
    assert!(usage.peak_resident < 32 * 1024 * 1024, "{}", usage.peak_resident);

    drop(held);
    waiting.set_read_timeout(Some(SOON)).unwrap();
    let mut answer = String::new();
    waiting.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 303 "), "{answer}");
}
