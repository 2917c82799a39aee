//! The dress that all pages wear. What a page shows goes through maud, which escapes it.
//!
//! A title that is the label of a place in the navigation marks that place as the one shown.

use axum::http::{StatusCode, header};
use axum::response::{Html, IntoResponse, Response};
use maud::{DOCTYPE, Markup, html};

use super::assets;
use super::visitor::Visitor;

const PLACES: [(&str, &str); 3] = [("/", "Overview"), ("/badclicks", "Bad lines"), ("/explain", "Explain")];

/// A whole page with its title as the heading. Without a visitor there is no navigation.
pub(super) fn page(title: &str, visitor: Option<&Visitor>, body: Markup) -> Response {
    answer(StatusCode::OK, title, visitor, &body)
}

pub(super) fn not_found() -> Response {
    refused(StatusCode::NOT_FOUND, "Not found", "There is no such page.")
}

/// What is asked for is there, and not for this visitor; `why` is a whole sentence.
pub(super) fn forbidden(why: &str) -> Response {
    refused(StatusCode::FORBIDDEN, "Not allowed", why)
}

/// Something that the page needs is away. A browser asks again by itself (`headers`).
pub(super) fn unavailable(why: &str) -> Response {
    refused(StatusCode::SERVICE_UNAVAILABLE, "Not available just now", why)
}

/// A page that says why there is no other.
pub(super) fn refused(status: StatusCode, title: &str, why: &str) -> Response {
    let body = html! {
        p.notice.bad[status.is_server_error()].warn[status.is_client_error()] { (why) }
        p { a href="/" { "To the overview" } }
    };
    answer(status, title, None, &body)
}

/// The same with any status.
pub(super) fn answer(status: StatusCode, title: &str, visitor: Option<&Visitor>, body: &Markup) -> Response {
    let whole = html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                meta name="robots" content="noindex";
                title { (title) " · Kafkastore" }
                link rel="icon" type="image/svg+xml" href=(assets::url("icon.svg"));
                link rel="stylesheet" href=(assets::url("style.css"));
            }
            body {
                a.skip href="#main" { "Skip to the content" }
                (header(title, visitor))
                main #main tabindex="-1" {
                    h1 { (title) }
                    (body)
                }
                footer { "Kafkastore " (env!("CARGO_PKG_VERSION")) }
            }
        }
    };
    let no_store = [(header::CACHE_CONTROL, "no-store")];
    (status, no_store, Html(whole.into_string())).into_response()
}

fn header(title: &str, visitor: Option<&Visitor>) -> Markup {
    html! {
        header {
            a.brand href="/" { img src=(assets::url("icon.svg")) alt="" width="24" height="24"; "Kafkastore" }
            @if let Some(visitor) = visitor {
                nav aria-label="Main" {
                    ul {
                        @for (path, label) in PLACES {
                            li { a href=(path) aria-current=[(label == title).then_some("page")] { (label) } }
                        }
                    }
                }
                @if let Some(name) = visitor.name() {
                    form.leave method="post" action="/auth/logout" {
                        (visitor.csrf_field())
                        span.muted { (name) }
                        button.quiet type="submit" { "Sign out" }
                    }
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn text(response: Response) -> String {
        let bytes = axum::body::to_bytes(response.into_body(), usize::MAX).await.unwrap();
        String::from_utf8(bytes.to_vec()).unwrap()
    }

    #[tokio::test]
    async fn what_a_page_shows_is_escaped() {
        let hostile = "<script>alert(1)</script>\"'&";
        let visitor = Visitor::named(hostile, "c");
        let shown = text(page(hostile, Some(&visitor), html! { p title=(hostile) { (hostile) } })).await;
        assert!(!shown.contains("<script"), "{shown}");
        assert!(shown.contains("&lt;script&gt;alert(1)&lt;/script&gt;&quot;"), "{shown}");
    }

    #[tokio::test]
    async fn a_page_has_a_language_a_heading_and_landmarks_and_no_inline_script_or_style() {
        let visitor = Visitor::named("somebody", "c");
        let shown = text(page("Explain", Some(&visitor), html! { p { "x" } })).await;
        for part in [
            "<!DOCTYPE html><html lang=\"en\">",
            "name=\"viewport\"",
            "<h1>Explain</h1>",
            "<main id=\"main\"",
            "<nav aria-label=\"Main\">",
            "<a href=\"/explain\" aria-current=\"page\">",
            "href=\"#main\"",
        ] {
            assert!(shown.contains(part), "{part} is not in {shown}");
        }
        for part in ["<script", "<style", " style=", " onclick="] {
            assert!(!shown.contains(part), "{part} is in {shown}");
        }
    }

    #[tokio::test]
    async fn who_is_not_signed_in_sees_no_navigation() {
        let response = not_found();
        assert_eq!(response.status(), 404);
        let shown = text(response).await;
        assert!(!shown.contains("<nav") && !shown.contains("/auth/logout"), "{shown}");
    }
}
