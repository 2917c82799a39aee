//! Moments on a page.

use maud::{Markup, html};

use crate::utc::Utc;

/// `2016-06-07 08:10:57`, in UTC; what is before 1970 is shown as its beginning.
pub(super) fn text(epoch: i64) -> String {
    Utc::at(epoch.try_into().unwrap_or_default()).to_string()
}

/// The same, for machines too.
pub(super) fn element(epoch: i64) -> Markup {
    let text = text(epoch);
    html! { time datetime=(text.replace(' ', "T") + "Z") { (text) } }
}
