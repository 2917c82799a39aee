//! Which lines a page or a form means: those of one server, of one reason or of all.

use std::sync::Arc;

use serde::Deserialize;

use super::HOME;
use super::outcome::Done;
use crate::payload::Reason;
use crate::web::Web;
use crate::web::source::Source;

/// One server, and a reason where one was chosen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Choice {
    /// From 0, as named in the settings; left out of addresses where it is the first.
    pub server: usize,
    pub reason: Option<Reason>,
}

impl Choice {
    /// The address of the table with these lines; values are numbers or words of ours.
    pub fn href(&self, more: &[(&str, &str)]) -> String {
        let mut query = form_urlencoded::Serializer::new(String::new());
        if self.server > 0 {
            query.append_pair("server", &self.server.to_string());
        }
        if let Some(reason) = self.reason {
            query.append_pair("reason", reason.as_str());
        }
        let query = query.extend_pairs(more).finish();
        if query.is_empty() { HOME.to_owned() } else { format!("{HOME}?{query}") }
    }
}

/// The query of a page; what makes no sense in it counts as not said.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Wanted {
    server: Option<String>,
    reason: Option<String>,
    before: Option<String>,
    done: Option<String>,
    lines: Option<String>,
}

impl Wanted {
    /// Nothing where there is no such server.
    pub fn choice<'a>(&self, web: &'a Web) -> Option<(Choice, &'a Arc<Source>)> {
        let server = server(self.server.as_ref())?;
        let reason = self.reason.as_deref().and_then(Reason::named);
        Some((Choice { server, reason }, web.sources.get(server)?))
    }

    /// The newest line that is wanted.
    pub fn before(&self) -> Option<usize> {
        number(self.before.as_ref())
    }

    pub fn is_older(&self) -> bool {
        self.before().is_some()
    }

    pub fn done(&self) -> Option<Done> {
        let lines = number(self.lines.as_ref()).unwrap_or_default();
        Done::read(self.done.as_deref()?, lines as u64)
    }
}

/// The first where none is named; nothing where that is no number.
pub(super) fn server(text: Option<&String>) -> Option<usize> {
    text.map_or(Some(0), |text| text.parse().ok())
}

fn number(text: Option<&String>) -> Option<usize> {
    text?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_holds_no_more_than_it_needs() {
        assert_eq!(Choice::default().href(&[]), "/badclicks");
        let choice = Choice { server: 1, reason: Some(Reason::Ip) };
        assert_eq!(choice.href(&[("before", "7")]), "/badclicks?server=1&reason=ip&before=7");
    }

    #[test]
    fn what_makes_no_sense_counts_as_not_said() {
        let wanted = |query: &str| serde_html_form::from_str::<Wanted>(query).unwrap();
        assert_eq!(wanted("before=x&done=<b>&lines=-1").before(), None);
        assert_eq!(wanted("done=<b>&lines=3").done(), None);
        assert_eq!(wanted("done=cleared&lines=3").done(), Some(Done::Cleared(3)));
    }
}
