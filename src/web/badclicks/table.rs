//! The page with many lines, the newest first.

use indicatif::HumanCount;
use maud::{Markup, html};

use super::Found;
use super::choice::Choice;
use super::outcome::Done;
use crate::payload::Reason;
use crate::payload::layout::Layout;
use crate::queue::invalid::{Counts, Entry};
use crate::web::raw::{self, IN_A_TABLE};
use crate::web::time;
use crate::web::visitor::Visitor;

pub(super) fn page(
    visitor: &Visitor,
    servers: &[&str],
    choice: &Choice,
    found: &Found,
    done: Option<Done>,
    is_older: bool,
) -> Markup {
    html! {
        @if let Some(done) = done { (done.shown()) }
        @if servers.len() > 1 { (server_links(servers, choice)) }
        (filters(choice, &found.counts))
        @if found.counts.other > 0 {
            p.muted {
                (HumanCount(found.counts.other)) " entries of the list are no records of this release, and stay where they are."
            }
        }
        @if found.entries.is_empty() {
            p { @if found.older.is_some() { "None among the newer ones." } @else { "No bad lines." } }
        } @else {
            (lines(visitor, choice, &found.entries))
        }
        (pages(choice, found.older, is_older))
        @if found.counts.total() > found.counts.other { (all(visitor, choice, &found.counts)) }
    }
}

fn server_links(servers: &[&str], choice: &Choice) -> Markup {
    html! {
        nav aria-label="Redis servers" {
            ul.filters {
                @for (server, name) in servers.iter().enumerate() {
                    li {
                        a href=(Choice { server, ..*choice }.href(&[])) aria-current=[(server == choice.server).then_some("true")] {
                            (name)
                        }
                    }
                }
            }
        }
    }
}

fn filters(choice: &Choice, counts: &Counts) -> Markup {
    let all = counts.total() - counts.other;
    let some = Reason::ALL.into_iter().map(|reason| (Some(reason), reason.as_str(), counts.of(reason)));
    let chosen = |reason: Option<Reason>| (reason == choice.reason).then_some("true");
    html! {
        nav aria-label="Reasons" {
            ul.filters {
                @for (reason, label, lines) in std::iter::once((None, "all", all)).chain(some) {
                    @if lines > 0 || chosen(reason).is_some() {
                        li {
                            a href=(Choice { reason, ..*choice }.href(&[])) aria-current=[chosen(reason)] {
                                (label) " " span.count { (HumanCount(lines)) }
                            }
                        }
                    }
                }
            }
        }
    }
}

/// One form around all lines: each button says which one it means.
fn lines(visitor: &Visitor, choice: &Choice, entries: &[Entry]) -> Markup {
    html! {
        form method="post" action="/badclicks/replay" {
            (visitor.csrf_field())
            (choice_fields(choice))
            div.table tabindex="0" role="region" aria-label="Bad lines" {
                table.lines {
                    thead { tr {
                        th scope="col" { "When (UTC)" }
                        th scope="col" { "Reason" }
                        th scope="col" { "Line" }
                        th scope="col" { "What to do" }
                    } }
                    tbody { @for entry in entries { (row(choice, entry)) } }
                }
            }
        }
    }
}

fn row(choice: &Choice, entry: &Entry) -> Markup {
    let record = &entry.record;
    let id = entry.id.to_string();
    let line = record.payload();
    let mut query = form_urlencoded::Serializer::new(String::new());
    query.append_pair("server", &choice.server.to_string()).append_pair("line", &id);
    query.extend_pairs(choice.reason.map(|reason| ("reason", reason.as_str())));
    html! {
        tr {
            td.when { (time::element(record.at)) }
            td.reason {
                span.badge.bad { (raw::shown(record.reason.as_bytes(), IN_A_TABLE)) }
                " " span.muted { (raw::shown(record.detail.as_bytes(), IN_A_TABLE)) }
            }
            td.line id=(id) {
                @match &line {
                    Some(line) => (raw::marked(line, &Layout::of(line, record.known_reason()), IN_A_TABLE)),
                    None => span.muted { "no line is on record" },
                }
            }
            td.do {
                @if line.is_some() {
                    a.button.quiet.small href={ "/badclicks/line?" (query.finish()) } aria-describedby=(id) { "Mend" }
                    " " button.quiet.small type="submit" name="line" value=(id) aria-describedby=(id) { "Replay" }
                    " " button.small.danger type="submit" name="line" value=(id) aria-describedby=(id) formaction="/badclicks/clear" { "Clear" }
                }
            }
        }
    }
}

fn pages(choice: &Choice, older: Option<usize>, is_older: bool) -> Markup {
    html! {
        @if is_older || older.is_some() {
            nav.row aria-label="Pages" {
                @if is_older { a.button.quiet href=(choice.href(&[])) { "Newest" } }
                @if let Some(before) = older {
                    a.button.quiet rel="next" href=(choice.href(&[("before", &before.to_string())])) { "Older" }
                }
            }
        }
    }
}

fn all(visitor: &Visitor, choice: &Choice, counts: &Counts) -> Markup {
    let which = words(choice, counts);
    html! {
        section.card aria-labelledby="all" {
            h2 #all { "All at once" }
            p { "Replay puts lines back at the end of the queue: they come again if what is wrong was not mended." }
            form.row method="post" action="/badclicks/replay_all" {
                (visitor.csrf_field())
                (choice_fields(choice))
                button type="submit" { "Replay " (which) }
                button.danger type="submit" formaction="/badclicks/clear_all" { "Clear " (which) }
            }
        }
    }
}

/// `12 lines rejected for “ip”`.
pub(super) fn words(choice: &Choice, counts: &Counts) -> String {
    let lines = choice.reason.map_or(counts.total() - counts.other, |reason| counts.of(reason));
    let lines = if lines == 1 { "1 line".to_owned() } else { format!("{} lines", HumanCount(lines)) };
    match choice.reason {
        Some(reason) => format!("{lines} rejected for “{reason}”"),
        None => lines,
    }
}

/// What stands in a form so that it means the same lines.
pub(super) fn choice_fields(choice: &Choice) -> Markup {
    html! {
        input type="hidden" name="server" value=(choice.server);
        @if let Some(reason) = choice.reason { input type="hidden" name="reason" value=(reason); }
    }
}

/// A question before lines are thrown away, with the lines themselves and the fields that name them.
pub(super) fn confirmation(
    visitor: &Visitor,
    choice: &Choice,
    action: &str,
    which: &str,
    lines: &Markup,
    fields: &Markup,
) -> Markup {
    html! {
        p.notice.warn { "Throw " (which) " away for good? Nobody can bring them back." }
        (lines)
        form.row method="post" action=(action) {
            (visitor.csrf_field())
            (choice_fields(choice))
            (fields)
            input type="hidden" name="confirm" value="yes";
            button.danger type="submit" { "Yes, throw away" }
            a.button.quiet href=(choice.href(&[])) { "No, keep" }
        }
    }
}
