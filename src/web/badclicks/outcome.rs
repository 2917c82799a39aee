//! What came of an action, told on the next page. It stands in the address: a word of a fixed set, and a number.

use indicatif::HumanCount;
use maud::{Markup, html};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Done {
    /// Lines were put back on the queue.
    Replayed(u64),
    /// The same, and there was no time for all of them.
    ReplayedSome(u64),
    /// Lines were thrown away.
    Cleared(u64),
    ClearedSome(u64),
    /// The line that was meant is not there any more.
    Gone,
}

impl Done {
    pub fn read(word: &str, lines: u64) -> Option<Self> {
        let all = [
            Self::Replayed(lines),
            Self::ReplayedSome(lines),
            Self::Cleared(lines),
            Self::ClearedSome(lines),
            Self::Gone,
        ];
        all.into_iter().find(|done| done.word() == word)
    }

    pub fn word(self) -> &'static str {
        match self {
            Self::Replayed(_) => "replayed",
            Self::ReplayedSome(_) => "replayed-some",
            Self::Cleared(_) => "cleared",
            Self::ClearedSome(_) => "cleared-some",
            Self::Gone => "gone",
        }
    }

    pub fn lines(self) -> u64 {
        match self {
            Self::Replayed(lines)
            | Self::ReplayedSome(lines)
            | Self::Cleared(lines)
            | Self::ClearedSome(lines) => lines,
            Self::Gone => 0,
        }
    }

    pub fn shown(self) -> Markup {
        let lines = match self.lines() {
            1 => "1 line was".to_owned(),
            lines => format!("{} lines were", HumanCount(lines)),
        };
        html! {
            @match self {
                Self::Replayed(_) => p.notice.good role="status" { (lines) " put back on the queue." },
                Self::Cleared(_) => p.notice.good role="status" { (lines) " thrown away." },
                Self::ReplayedSome(_) => p.notice.warn role="status" {
                    (lines) " put back on the queue. It took long, and more are left: do it again."
                },
                Self::ClearedSome(_) => p.notice.warn role="status" {
                    (lines) " thrown away. It took long, and more are left: do it again."
                },
                Self::Gone => p.notice.warn role="status" {
                    "That line is not in the list any more: somebody has taken it, or the list was full and it was the oldest."
                },
            }
        }
    }
}
