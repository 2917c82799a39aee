//! Style, scripts and pictures, inside the program: `/assets/<name>?<hash of the content>`.
//!
//! The hash lets a browser keep a file for a year and yet have the new one with the next release.

use std::hash::{DefaultHasher, Hasher as _};
use std::sync::LazyLock;

use axum::extract::{Path, RawQuery};
use axum::http::header;
use axum::response::{IntoResponse, Response};
use maud::{Markup, html};

use super::page;

const FOR_A_YEAR: &str = "public, max-age=31536000, immutable";
const CSS: &str = "text/css; charset=utf-8";
const SCRIPT: &str = "text/javascript; charset=utf-8";
const SVG: &str = "image/svg+xml";

/// Name, type and content.
const FILES: [(&str, &str, &[u8]); 5] = [
    ("dashboard.css", CSS, include_bytes!("assets/dashboard.css")),
    ("dashboard.js", SCRIPT, include_bytes!("assets/dashboard.js")),
    ("icon.svg", SVG, include_bytes!("assets/icon.svg")),
    ("style.css", CSS, include_bytes!("assets/style.css")),
    ("uplot.js", SCRIPT, include_bytes!("assets/uplot.js")),
];

/// The hash of each file, in their order.
static HASHES: LazyLock<Vec<String>> = LazyLock::new(|| FILES.iter().map(|file| hash(file.2)).collect());

/// Where a page finds the file `name`, which must be one of `FILES`.
pub(super) fn url(name: &str) -> String {
    let hash = position(name).map_or("", |at| HASHES[at].as_str());
    debug_assert!(!hash.is_empty(), "{name} is not among the files");
    format!("/assets/{name}?{hash}")
}

/// Makes a page run the script `name`, once all of it has been read.
pub(super) fn script(name: &str) -> Markup {
    html! { script defer src=(url(name)) {} }
}

pub(super) async fn get(Path(name): Path<String>, RawQuery(query): RawQuery) -> Response {
    let Some(at) = position(&name) else { return page::not_found() };
    let (_, content_type, content) = FILES[at];
    // While releases change, one may be asked for the other's file: that is not to be kept under the other's name.
    let is_this_one = query.as_deref() == Some(HASHES[at].as_str());
    let keep = if is_this_one { FOR_A_YEAR } else { "no-cache" };
    ([(header::CONTENT_TYPE, content_type), (header::CACHE_CONTROL, keep)], content).into_response()
}

fn position(name: &str) -> Option<usize> {
    FILES.iter().position(|file| file.0 == name)
}

/// Another content has another hash; nothing more is asked of it.
fn hash(content: &[u8]) -> String {
    let mut hasher = DefaultHasher::new();
    hasher.write(content);
    format!("{:016x}", hasher.finish())
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn kept(name: &str, query: Option<&str>) -> Response {
        get(Path(name.to_owned()), RawQuery(query.map(str::to_owned))).await
    }

    #[tokio::test]
    async fn a_file_is_kept_under_its_own_hash_alone() {
        let url = url("style.css");
        let (_, hash) = url.split_once('?').unwrap();
        assert_eq!(kept("style.css", Some(hash)).await.headers()["cache-control"], FOR_A_YEAR);
        for query in [None, Some(""), Some("0123")] {
            assert_eq!(kept("style.css", query).await.headers()["cache-control"], "no-cache");
        }
        assert_eq!(kept("../Cargo.toml", None).await.status(), 404);
    }

    #[test]
    fn all_files_together_are_light() {
        let weight: usize = FILES.iter().map(|file| file.2.len()).sum();
        assert!(weight < 120_000, "{weight} bytes");
    }
}
