//! Whatever is in a line, a page stays what it is: read back by a parser as browsers have it.

mod html;

use clap::Parser;
use maud::Markup;
use serde_json::json;

use super::outcome::Done;
use super::*;
use crate::enrich;
use crate::payload::Reason;
use crate::queue::invalid::{Entry, Id};
use crate::visible;
use crate::web::enriching::Explainer;
use crate::web::explain::line_of;
use html::Page;

const ELEMENTS: &[&str] = &[
    "a", "body", "button", "code", "dd", "div", "dl", "dt", "form", "h2", "h3", "head", "html", "input",
    "label", "li", "mark", "nav", "p", "section", "span", "table", "tbody", "td", "textarea", "th", "thead",
    "time", "tr", "ul",
];
const ATTRIBUTES: &[&str] = &[
    "action",
    "aria-current",
    "aria-describedby",
    "aria-label",
    "aria-labelledby",
    "autocapitalize",
    "autocomplete",
    "class",
    "datetime",
    "for",
    "formaction",
    "href",
    "id",
    "method",
    "name",
    "rel",
    "role",
    "rows",
    "scope",
    "spellcheck",
    "tabindex",
    "type",
    "value",
];

fn hostile() -> Vec<Vec<u8>> {
    let mut hostile: Vec<Vec<u8>> = [
        &b"<script>alert(1)</script>"[..],
        b"\"><img/src=x/onerror=alert(1)>",
        b"'/onmouseover='alert(1)",
        b"]]><svg/onload=alert(1)>",
        b"--><script>alert(1)</script><!--",
        b"</textarea></code></mark></form><script>",
        b"&lt;script&gt;&#60;b&#62;&quot;&amp;",
        b"javascript:alert(1)",
        b"\\x3cscript\\x3e\\x00\\",
        b"\0<\0s\0cript>\x1b[2J\x7f\x08",
        b"\xff\xfe<\xc0\xbcscript\xc0\xbe\xed\xa0\x80",
    ]
    .map(<[u8]>::to_vec)
    .to_vec();
    hostile.push("\u{202e}tpircs\u{2066}\u{200b}\u{feff}\u{2028}\u{e0041}\u{85}".as_bytes().to_vec());
    hostile.push(b"<b>".repeat(350_000));
    hostile
}

/// Lines with something hostile in each of their fields.
fn lines() -> Vec<Vec<u8>> {
    let of = |hostile: Vec<u8>| {
        let with = |before: &str, after: &str| [before.as_bytes(), &hostile, after.as_bytes()].concat();
        [
            hostile.clone(),
            with("", " 5 clicks /t p agent"),
            with("8.8.8.8 ", " clicks /t p agent"),
            with("8.8.8.8 5 ", " /t p agent"),
            with("8.8.8.8 5 clicks ", " p agent"),
            with("8.8.8.8 5 clicks /", " p agent"),
            with("8.8.8.8 5 clicks /t a=", "&b= agent"),
            with("8.8.8.8 5 clicks /t p Mozilla/5.0 (", ")  x"),
            with("8.8.8.8 5\n\tclicks /t p ", "\r\n"),
        ]
    };
    hostile().into_iter().flat_map(of).collect()
}

fn entry(line: &[u8], reason: &str, detail: &str) -> Entry {
    use base64::Engine as _;
    let encoded = base64::engine::general_purpose::STANDARD.encode(line);
    let record =
        json!({ "reason": reason, "detail": detail, "at": 1_465_287_057, "payload_base64": encoded });
    let text = record.to_string();
    Entry { id: Id::new(7, &text), record: serde_json::from_value(record).unwrap(), text }
}

/// The page as a browser would have it; it must hold nothing but what we put there.
#[track_caller]
fn parsed(page: &Markup) -> Page {
    let html = Page::parse(&page.0);
    for element in html.elements() {
        let name = element.name.as_str();
        assert!(ELEMENTS.contains(&name), "<{name}>: {}", start_of(page));
        for (attribute, value) in &element.attributes {
            let attribute = attribute.as_str();
            assert!(ATTRIBUTES.contains(&attribute), "{attribute}: {}", start_of(page));
            let is_address = matches!(attribute, "href" | "action" | "formaction");
            assert!(!is_address || value.starts_with("/badclicks") || value == "/explain", "{value}");
            let is_plain = value.chars().all(|sign| sign.is_ascii_graphic() || sign == ' ');
            assert!(is_plain && !value.contains(['<', '>', '"', '\'']), "{attribute}={value}");
        }
    }
    let misleads = |sign: char| sign.is_control() || "\u{202e}\u{2066}\u{200b}".contains(sign);
    assert!(!html.texts("html")[0].contains(misleads));
    html
}

fn start_of(page: &Markup) -> String {
    page.0.chars().take(4000).collect()
}

fn visitor() -> Visitor {
    Visitor::named("somebody@example.com", "token")
}

fn table_of(entries: Vec<Entry>, done: Option<Done>) -> Markup {
    let found = Found { counts: Counts::default(), entries, older: Some(3) };
    table::page(&visitor(), &["127.0.0.1:6379", "127.0.0.1:6380/1"], &Choice::default(), &found, done, true)
}

#[test]
fn no_line_gets_out_of_its_cell() {
    for line in lines() {
        for reason in Reason::ALL {
            let html = parsed(&table_of(vec![entry(&line, reason.as_str(), "why")], None));
            assert_eq!(html.texts("tbody tr").len(), 1);
            assert_eq!(html.texts("td.line code.raw").len(), 1);
            assert!(html.texts("mark").len() <= 1);
        }
    }
}

#[test]
fn what_a_foreign_record_says_of_itself_is_no_less_hostile() {
    for words in hostile() {
        let words = String::from_utf8_lossy(&words);
        let html = parsed(&table_of(vec![entry(b"1 2", &words, &words)], None));
        assert_eq!(html.texts("tbody tr").len(), 1);
    }
}

#[test]
fn a_page_of_the_longest_lines_stays_light() {
    let line = ["8.8.8.8 5 clicks /t p ".as_bytes(), &b"<\xff>".repeat(400_000)].concat();
    let entries = vec![entry(&line, "size", "why"); PAGE_LINES];
    let page = table_of(entries, None);
    assert!(page.0.len() < 150_000, "{} bytes", page.0.len());
}

#[test]
fn the_field_that_offends_is_marked_whole() {
    let html = parsed(&table_of(vec![entry(b"<b> 5 clicks /t p", "ip", "why")], None));
    assert_eq!(html.texts("mark"), ["<b>"]);
    assert_eq!(html.texts("time"), ["2016-06-07 08:10:57"]);
    let html = parsed(&table_of(vec![entry(b"8.8.8.8 5", "fields", "why")], None));
    assert_eq!(html.texts("mark"), ["missing"]);
}

#[test]
fn what_came_of_it_is_told_in_words_of_ours() {
    let html = parsed(&table_of(vec![], Some(Done::Cleared(1))));
    assert_eq!(html.texts("p.notice"), ["1 line was thrown away."]);
    let html = parsed(&table_of(vec![], Some(Done::ReplayedSome(12_345))));
    assert!(html.texts("p.notice")[0].starts_with("12,345 lines were put back on the queue. It took long"));
}

#[derive(Parser)]
struct Program {
    #[command(flatten)]
    enrich: enrich::Settings,
}

fn explainer(arguments: &[&str]) -> Explainer {
    Explainer::new(Program::try_parse_from([&["web"], arguments].concat()).unwrap().enrich)
}

#[tokio::test]
async fn a_line_is_mended_in_a_text_field_that_gives_it_back_byte_for_byte() {
    let explainer = explainer(&[]);
    for line in lines() {
        let entry = entry(&line, "ip", "why");
        let outcome = explainer.explain(&line).await;
        let html = parsed(&line::body(&visitor(), &Choice::default(), &entry, &line, &line, &outcome));
        let fields = html.texts("textarea");
        if line.len() > TEXT_MAX_BYTES {
            assert!(fields.is_empty());
        } else {
            assert_eq!(line_of(fields[0]), line, "{}", visible::typed(&line));
        }
    }
}

#[tokio::test]
async fn a_mended_line_is_shown_with_its_message() {
    let line =
        b"8.8.8.8 1465287056 clicks /t a=%3Cb%3E&c=d Mozilla/5.0 (iPhone; CPU iPhone OS 9_3 like Mac OS X)";
    let html = parsed(&explainer(&[]).explain(line).await.shown(line));
    assert_eq!(html.texts("p.notice"), ["This line is fine: it becomes a message."]);
    let pairs = html.texts("dd");
    assert!(
        ["US", "smartphone", "iPhone", "ios", "<b>", "d", "unknown"]
            .iter()
            .all(|value| { pairs.contains(value) }),
        "{pairs:?}"
    );
    assert_eq!(html.texts("td.number")[..2], ["0–6", "8–17"]);
}

#[tokio::test]
async fn a_line_that_stays_bad_says_why_and_where() {
    let line = b"8.8.8.8 1465287056 secret /t p";
    let html = parsed(&explainer(&["--kafka-topics=clicks"]).explain(line).await.shown(line));
    assert_eq!(html.texts("p.notice"), ["This line is rejected: topic not one of KAFKA_TOPICS: \"secret\""]);
    assert_eq!(html.texts("div.field mark"), ["secret"]);
}

#[tokio::test]
async fn a_country_database_that_cannot_be_opened_is_told() {
    let line = b"8.8.8.8 1465287056 clicks /t p";
    let explainer = explainer(&["--geoip-db=/nowhere/countries.mmdb"]);
    for _ in 0..2 {
        let html = parsed(&explainer.explain(line).await.shown(line));
        assert!(html.texts("p.notice")[0].contains("GEOIP_DB: cannot read the country database"));
        assert_eq!(html.texts("td.number").len(), 5, "the fields are shown nevertheless");
    }
}
