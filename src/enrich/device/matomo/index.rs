//! All patterns of all files, and which of them a text could match at all.
//!
//! The literals of all patterns are looked for in one pass (Aho and Corasick 1975). Of some 20,000 patterns that leaves
//! a few dozen to try.

use std::hint::black_box;
use std::num::NonZero;
use std::ops::Range;
use std::thread::{self, available_parallelism};

use aho_corasick::{AhoCorasick, AhoCorasickKind, MatchKind};
use regex_automata::util::pool::Pool;

use super::super::USER_AGENT_MAX_BYTES;
use super::literals::Required;
use super::pattern::{Groups, Pattern, Scratch, analyse, may_begin};

/// More tries than this no user agent gets; no real one is known that needs a third.
const TRIES_MAX: usize = 2_000;
/// So many patterns are taken apart at a time: long ones stand side by side, and each core gets its share.
const CHUNK: usize = 100;
/// In place of a place: the pattern is looked for in the whole text.
const ANYWHERE: u32 = u32::MAX;

/// The patterns in the order in which they were added; those of one list stand side by side.
pub(super) struct Index {
    patterns: Vec<Pattern>,
    literals: AhoCorasick,
    /// Whose each literal is; a literal that several have is there as often.
    owners: Vec<Owner>,
    /// Patterns that no literal tells of.
    always: Vec<Candidate>,
    scratch: Pool<Scratch, fn() -> Scratch>,
}

#[derive(Clone, Copy)]
struct Owner {
    pattern: u32,
    alternative: u32,
    /// Whether the alternative begins with the literal, or has it somewhere.
    at_beginning: bool,
}

/// A pattern that may match, and where; in the order in which they are to be tried.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Candidate {
    pattern: u32,
    at: u32,
    alternative: u32,
}

/// A text with the patterns that it could match.
pub(super) struct Text<'a> {
    index: &'a Index,
    original: &'a str,
    lowered: Vec<u8>,
    candidates: Vec<Candidate>,
    tries: usize,
    /// How often a regex with look-around was asked.
    asked: usize,
}

/// A pattern that matches.
pub(super) struct Found {
    pub(super) pattern: u32,
    pub(super) groups: Groups,
}

/// Collects patterns.
#[derive(Default)]
pub(super) struct Builder {
    sources: Vec<String>,
    /// Files, and the first pattern of each.
    files: Vec<(u32, String)>,
}

impl Builder {
    /// Says from which file the patterns are that follow.
    pub(super) fn begin(&mut self, path: String) {
        self.files.push((self.next(), path));
    }

    /// Adds a pattern, and gives its number.
    pub(super) fn add(&mut self, source: String) -> u32 {
        self.sources.push(source);
        self.sources.len() as u32 - 1
    }

    /// The number that the next pattern will have.
    pub(super) fn next(&self) -> u32 {
        self.sources.len() as u32
    }

    /// Makes the index, on all cores: that takes half the time.
    ///
    /// # Errors
    /// The file with the regex that is none, the regex, and why.
    pub(super) fn build(self) -> Result<Index, String> {
        let cores = available_parallelism().map_or(1, NonZero::get);
        let parts = thread::scope(|scope| {
            let of_core = |core| {
                let chunks = self.sources.chunks(CHUNK).enumerate();
                Part::of(chunks.map(|(at, chunk)| ((at * CHUNK) as u32, chunk)).skip(core).step_by(cores))
            };
            let parts: Vec<_> = (0..cores).map(|core| scope.spawn(move || of_core(core))).collect();
            let parts = parts.into_iter().map(|part| part.join().expect("to read a regex never panics"));
            parts.collect::<Result<Vec<Part>, _>>()
        });
        let parts = parts.map_err(|(pattern, error)| {
            let file = self.files.partition_point(|(first, _)| *first <= pattern);
            let file = file.checked_sub(1).map_or("", |file| &self.files[file].1);
            format!("{file}: {:.80?}: {error}", self.sources[pattern as usize])
        })?;
        let (literals, owners): (Vec<&[u8]>, Vec<Owner>) = parts.iter().flat_map(Part::owned).unzip();
        let literals = AhoCorasick::builder()
            .kind(Some(AhoCorasickKind::ContiguousNFA))
            .match_kind(MatchKind::Standard)
            .prefilter(false)
            .build(literals)
            .map_err(|error| error.to_string())?;
        let always = parts.iter().flat_map(|part| part.always.iter().copied()).collect();
        let mut chunks: Vec<(u32, Vec<Pattern>)> = parts.into_iter().flat_map(|part| part.chunks).collect();
        chunks.sort_unstable_by_key(|(first, _)| *first);
        let patterns = chunks.into_iter().flat_map(|(_, patterns)| patterns).collect();
        Ok(Index { patterns, literals, owners, always, scratch: Pool::new(Scratch::default) })
    }
}

/// What one core has taken apart. Few allocations leave its thread: glibc would put those in order later, when they are
/// freed elsewhere, and one user agent would wait milliseconds for it.
#[derive(Default)]
struct Part {
    /// Patterns that stand side by side, with the number of the first.
    chunks: Vec<(u32, Vec<Pattern>)>,
    always: Vec<Candidate>,
    /// All literals, one behind the other.
    bytes: Vec<u8>,
    /// Where each ends, and whose it is.
    ends: Vec<(usize, Owner)>,
}

impl Part {
    fn of<'a>(chunks: impl Iterator<Item = (u32, &'a [String])>) -> Result<Self, (u32, String)> {
        let mut part = Self::default();
        for (first, sources) in chunks {
            let patterns = (first..).zip(sources).map(|(number, source)| part.add(number, source));
            let patterns = patterns.collect::<Result<_, _>>()?;
            part.chunks.push((first, patterns));
        }
        settle_heap();
        Ok(part)
    }

    fn add(&mut self, pattern: u32, source: &str) -> Result<Pattern, (u32, String)> {
        let (analysed, required) = analyse(source).map_err(|error| (pattern, error))?;
        for (alternative, required) in (0..).zip(required) {
            let (literals, at_beginning) = match required {
                Required::AtBeginning(literals) => (literals, true),
                Required::Anywhere(literals) => (literals, false),
                Required::Nothing => {
                    self.always.push(Candidate { pattern, at: ANYWHERE, alternative });
                    continue;
                }
            };
            for literal in literals {
                self.bytes.extend(literal);
                self.ends.push((self.bytes.len(), Owner { pattern, alternative, at_beginning }));
            }
        }
        Ok(analysed)
    }

    fn owned(&self) -> impl Iterator<Item = (&[u8], Owner)> {
        let mut from = 0;
        self.ends
            .iter()
            .map(move |&(end, owner)| (&self.bytes[std::mem::replace(&mut from, end)..end], owner))
    }
}

impl Index {
    /// Finds out which patterns the text could match.
    pub(super) fn look_at<'a>(&'a self, original: &'a str) -> Text<'a> {
        let original = &original[..original.floor_char_boundary(USER_AGENT_MAX_BYTES)];
        let lowered = original.as_bytes().to_ascii_lowercase();
        let mut candidates = self.always.clone();
        for found in self.literals.find_overlapping_iter(&lowered) {
            let Owner { pattern, alternative, at_beginning } = self.owners[found.pattern()];
            if !at_beginning {
                candidates.push(Candidate { pattern, at: ANYWHERE, alternative });
            } else if may_begin(&lowered, found.start()) {
                candidates.push(Candidate { pattern, at: found.start() as u32, alternative });
            }
        }
        candidates.sort_unstable();
        candidates.dedup();
        Text { index: self, original, lowered, candidates, tries: 0, asked: 0 }
    }
}

impl Text<'_> {
    /// The text as it came.
    pub(super) fn original(&self) -> &str {
        self.original
    }

    /// Says whether the pattern matches.
    pub(super) fn has(&mut self, pattern: u32) -> bool {
        self.first(pattern..pattern + 1).is_some()
    }

    /// Finds the first of these patterns that matches, and the first place where it does.
    pub(super) fn first(&mut self, among: Range<u32>) -> Option<Found> {
        let from = self.candidates.partition_point(|candidate| candidate.pattern < among.start);
        let to = self.candidates.partition_point(|candidate| candidate.pattern < among.end);
        let candidates = &self.candidates[from..to];
        let mut scratch = self.index.scratch.get();
        scratch.asked = self.asked;
        let found = candidates.chunk_by(|a, b| a.pattern == b.pattern).find_map(|of_pattern| {
            let pattern = of_pattern[0].pattern;
            // Where it begins first, and there the first alternative.
            let mut first: Option<(usize, u32, Groups)> = None;
            for &Candidate { at, alternative, .. } in of_pattern {
                if at != ANYWHERE && first.is_some() {
                    continue;
                }
                self.tries += 1;
                if self.tries > TRIES_MAX {
                    break;
                }
                let regex = &self.index.patterns[pattern as usize];
                let (which, place) = (alternative as usize, at as usize);
                let Some(groups) = regex.find(which, &self.lowered, place, &mut scratch) else { continue };
                let begin = groups[0].map_or(0, |(begin, _)| begin);
                if first.as_ref().is_none_or(|first| (begin, alternative) < (first.0, first.1)) {
                    first = Some((begin, alternative, groups));
                }
            }
            first.map(|(_, _, groups)| Found { pattern, groups })
        });
        self.asked = scratch.asked;
        found
    }
}

/// Has the allocator put in order what was freed on this thread.
pub(super) fn settle_heap() {
    for _ in 0..20 {
        drop(black_box(Vec::<u8>::with_capacity(100_000)));
    }
}
