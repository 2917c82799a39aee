//! `/`: at a glance, whether all is well.
//!
//! - `parts`: the parts of the page that change
//! - `live`: the same parts, sent to the browser again and again
//! - `history`: what the charts draw

pub(super) mod history;
pub(super) mod live;
mod parts;

use std::sync::Arc;

use axum::extract::{Query, State};
use axum::response::Response;
use maud::html;

use super::Web;
use super::assets;
use super::page::page;
use super::visitor::Visitor;
use history::{Asked, Span};

/// Id, title and unit of each chart; what it draws is said in the script.
const CHARTS: [(&str, &str, &str); 4] = [
    ("rate", "Events", "lines a second"),
    ("depth", "Queue", "lines that wait, and in flight"),
    ("lag", "Lag", "seconds from event to reservation: median and 99th percentile"),
    ("invalid", "Bad lines", "lines in the invalid list"),
];

pub(super) async fn get(
    visitor: Visitor,
    State(web): State<Arc<Web>>,
    Query(asked): Query<Asked>,
) -> Response {
    let shown = parts::Shown::look(&web).await;
    let body = html! {
        link rel="stylesheet" href=(assets::url("dashboard.css"));
        (assets::script("uplot.js"))
        (assets::script("dashboard.js"))
        div #health role="status" { (shown.health()) }
        div #figures { (shown.figures()) }
        nav.row aria-label="Span of the charts" {
            @for (span, label) in [(Span::Hour, "Last hour"), (Span::Day, "Last day")] {
                a.button.small.quiet[span != asked.span] href={ "/?span=" (span.as_str()) } aria-current=[(span == asked.span).then_some("true")] { (label) }
            }
        }
        div #charts.grid.charts data-span=(asked.span.as_str()) {
            @for (id, title, unit) in CHARTS {
                figure.card {
                    figcaption { strong { (title) } " " span.hint { (unit) } }
                    div.chart #{ "chart-" (id) } role="img" aria-label={ (title) ", " (unit) } {}
                }
            }
        }
        noscript { p.notice { "The charts, and figures that move by themselves, need JavaScript." } }
        h2 { "Workers" }
        div #workers { (shown.workers()) }
        h2 { "The last hour" }
        div #tops { (shown.tops()) }
        h2 { "Last messages" }
        div #recent { (shown.recent()) }
    };
    page("Overview", Some(&visitor), body)
}
