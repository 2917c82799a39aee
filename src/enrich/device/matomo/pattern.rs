//! One pattern of the files: how it is taken apart, and where it matches.
//!
//! A pattern is a regex of PCRE's kind, found in either case behind a byte that ends a word. Texts are looked at in lower
//! case, so a pattern is rewritten to match lower case only: what is left of it is mostly plain words, and those are
//! found all at once before any pattern is tried.

use std::sync::{Arc, LazyLock};

use fancy_regex::{BytesMode, RegexBuilder, RegexInput};
use regex_automata::meta;
use regex_automata::nfa::thompson::backtrack::{self, BoundedBacktracker};
use regex_automata::nfa::thompson::{self, NFA, WhichCaptures};
use regex_automata::util::primitives::NonMaxUsize;
use regex_automata::{Anchored, Input};
use regex_syntax::ParserBuilder;
use regex_syntax::hir::{Capture, Class, ClassBytesRange, Hir, HirKind, Repetition};

use super::index::TEXT_MAX_BYTES;
use super::literals::{Required, any_of, required};
use super::source::{branches, in_lower_case, refusal, without_look_around};

/// Where a match may begin: nothing that could belong to the same word stands before it.
const BEGINNING: &str = "(?:^|[^A-Z0-9_-]|[^A-Z0-9-]_|sprd-|MZ-)";
/// Groups `$0` to `$9`: no name or model of the files refers to a later one.
const GROUPS: usize = 10;
/// The group of a pattern that is looked for with what stands before it.
const WHOLE: usize = 99;
/// A pattern that needs more states is refused.
const SIZE_MAX: usize = 100_000;
/// In a longer text no more places are tried one by one; real user agents have some hundred.
const PLACES_MAX: usize = 400;
/// No text has patterns with look-around tried more often; no real one is known that needs a third.
const LOOK_AROUND_MAX: usize = 24;
/// Steps after which a pattern with look-around gives up at one place.
const BACKTRACK_MAX: usize = 5_000;

/// Bytes of the text, from and to, of each group.
pub(super) type Groups = [Option<(usize, usize)>; GROUPS];

/// A pattern: the first of its alternatives that matches where the pattern matches first.
pub(super) struct Pattern {
    alternatives: Vec<Alternative>,
}

/// One of the alternatives that a pattern is made of.
struct Alternative {
    matcher: Matcher,
    /// The whole of it, where it has look-around and the matcher is for what is left of it without: asked last, since it is
    /// slow.
    look_around: Option<Arc<fancy_regex::Regex>>,
}

enum Matcher {
    /// Tried at one place.
    AtPlace(Lazy<Compiled>),
    /// Looked for in the whole text, and where it has look-around then tried from the first place on.
    Anywhere { first: Lazy<meta::Regex>, at_place: Lazy<Compiled> },
}

/// Compiled when it is first tried.
type Lazy<T> = LazyLock<T, Box<dyn FnOnce() -> T + Send>>;

enum Compiled {
    Short(BoundedBacktracker),
    /// Large, or can run over the whole text (`Android.+TV`), where going back costs too much.
    Long(meta::Regex),
}

/// Memory that a match needs, used again and again.
#[derive(Default)]
pub(super) struct Scratch {
    cache: Option<backtrack::Cache>,
    /// How often a regex with look-around was asked of this text.
    pub(super) asked: usize,
}

/// Takes a pattern apart, and says for each of its alternatives what it needs.
///
/// # Errors
/// What is wrong with the regex, in one line.
pub(super) fn analyse(source: &str) -> Result<(Pattern, Vec<Required>), String> {
    if let Some(refusal) = refusal(source) {
        return Err(refusal.to_owned());
    }
    let mut parts = Parts::default();
    let error = match parse(source) {
        Ok(hir) => {
            parts.add(hir);
            return Ok(parts.into());
        }
        Err(error) => error,
    };
    if without_look_around(source).is_none() {
        return Err(error);
    }
    for branch in branches(source) {
        match without_look_around(&branch) {
            None => parts.add(parse(&branch)?),
            Some(stripped) => parts.add_with_look_around(parse(&stripped)?, &branch)?,
        }
    }
    Ok(parts.into())
}

#[derive(Default)]
struct Parts {
    alternatives: Vec<Alternative>,
    required: Vec<Required>,
}

impl From<Parts> for (Pattern, Vec<Required>) {
    fn from(parts: Parts) -> Self {
        (Pattern { alternatives: parts.alternatives }, parts.required)
    }
}

impl Parts {
    fn add(&mut self, hir: Hir) {
        for hir in alternatives(hir) {
            let required = required(&hir);
            let matcher = Matcher::new(hir, &required);
            self.alternatives.push(Alternative { matcher, look_around: None });
            self.required.push(required);
        }
    }

    /// Adds what is left of a regex without its look-around. What may match anywhere is one alternative.
    fn add_with_look_around(&mut self, stripped: Hir, source: &str) -> Result<(), String> {
        let whole = look_around(source)?;
        let (mut rest, mut rest_required) = (Vec::new(), Vec::new());
        for hir in alternatives(stripped) {
            match required(&hir) {
                required @ Required::AtBeginning(_) => self.push_with_look_around(hir, required, &whole),
                required => {
                    rest.push(hir);
                    rest_required.push(required);
                }
            }
        }
        if !rest.is_empty() {
            self.push_with_look_around(Hir::alternation(rest), any_of(rest_required), &whole);
        }
        Ok(())
    }

    fn push_with_look_around(&mut self, hir: Hir, required: Required, whole: &Arc<fancy_regex::Regex>) {
        let matcher = Matcher::new(hir, &required);
        self.alternatives.push(Alternative { matcher, look_around: Some(Arc::clone(whole)) });
        self.required.push(required);
    }
}

/// Compiled at once: that takes up to some milliseconds, which no user agent is to pay for.
fn look_around(source: &str) -> Result<Arc<fancy_regex::Regex>, String> {
    RegexBuilder::new(source)
        .case_insensitive(true)
        .bytes_mode(BytesMode::Ascii)
        .backtrack_limit(BACKTRACK_MAX)
        .build()
        .map(Arc::new)
        .map_err(|error| one_line(&error.to_string()))
}

/// Reads a regex as one of bytes, to match text in lower case.
fn parse(source: &str) -> Result<Hir, String> {
    let lowered = in_lower_case(source);
    ParserBuilder::new()
        .unicode(false)
        .utf8(false)
        .case_insensitive(lowered.is_none())
        .build()
        .parse(lowered.as_deref().unwrap_or(source))
        .map_err(|error| one_line(&error.to_string()))
        .and_then(|hir| if size(&hir) > SIZE_MAX { Err("too large".to_owned()) } else { Ok(hir) })
}

/// About how many states a regex needs.
fn size(hir: &Hir) -> usize {
    match hir.kind() {
        HirKind::Empty | HirKind::Look(_) | HirKind::Class(_) => 1,
        HirKind::Literal(literal) => literal.0.len(),
        HirKind::Repetition(Repetition { min, max, sub, .. }) => {
            size(sub).saturating_mul(max.unwrap_or(*min).max(1) as usize)
        }
        HirKind::Capture(capture) => size(&capture.sub),
        HirKind::Concat(parts) | HirKind::Alternation(parts) => {
            parts.iter().fold(0, |sum: usize, part| sum.saturating_add(size(part)))
        }
    }
}

/// Draws the alternatives that a pattern begins with out of it: `(?:A|B)?C` is `AC`, `BC` or `C`, in this order.
fn alternatives(hir: Hir) -> Vec<Hir> {
    match hir.into_kind() {
        HirKind::Alternation(parts) => parts.into_iter().flat_map(alternatives).collect(),
        HirKind::Capture(Capture { index, sub, .. }) => {
            let captured = |sub| Hir::capture(Capture { index, name: None, sub: Box::new(sub) });
            alternatives(*sub).into_iter().map(captured).collect()
        }
        HirKind::Repetition(Repetition { min: 0, max: Some(1), greedy: true, sub }) => {
            alternatives(*sub).into_iter().chain([Hir::empty()]).collect()
        }
        HirKind::Concat(mut parts) => {
            let tail = parts.split_off(1);
            let heads = parts.into_iter().flat_map(alternatives);
            let whole = |head: Hir| match head.kind() {
                HirKind::Empty => alternatives(Hir::concat(tail.clone())),
                _ => vec![Hir::concat([head].into_iter().chain(tail.iter().cloned()).collect())],
            };
            heads.flat_map(whole).collect()
        }
        HirKind::Empty => vec![Hir::empty()],
        HirKind::Literal(literal) => vec![Hir::literal(literal.0)],
        HirKind::Class(class) => vec![Hir::class(class)],
        HirKind::Look(look) => vec![Hir::look(look)],
        HirKind::Repetition(repetition) => vec![Hir::repetition(repetition)],
    }
}

/// Says whether a match may begin at this byte of a text in lower case.
pub(super) fn may_begin(text: &[u8], at: usize) -> bool {
    let inside_word = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-';
    match text[..at] {
        [] => true,
        [.., before, b'_'] => !inside_word(before),
        [b'_'] => false,
        [.., last] if !inside_word(last) => true,
        _ => text[..at].ends_with(b"sprd-") || text[..at].ends_with(b"mz-"),
    }
}

impl Pattern {
    /// Tries one alternative of the pattern at one place.
    pub(super) fn find_at(
        &self,
        alternative: usize,
        text: &[u8],
        at: usize,
        scratch: &mut Scratch,
    ) -> Option<Groups> {
        let Alternative { matcher, look_around } = &self.alternatives[alternative];
        let Matcher::AtPlace(compiled) = matcher else { return None };
        match look_around {
            None => compiled.find(&Input::new(text).range(at..).anchored(Anchored::Yes), scratch),
            Some(whole) => compiled.find_with(whole, text, at, scratch),
        }
    }

    /// Looks for one alternative of the pattern in the whole text.
    pub(super) fn find(&self, alternative: usize, text: &[u8], scratch: &mut Scratch) -> Option<Groups> {
        let Alternative { matcher, look_around } = &self.alternatives[alternative];
        let Matcher::Anywhere { first, at_place } = matcher else { return None };
        let mut captures = first.create_captures();
        first.search_captures(&Input::new(text), &mut captures);
        let span = |group| captures.get_group(group).map(|span| (span.start, span.end));
        let (begin, _) = span(WHOLE)?;
        let Some(whole) = look_around else {
            return Some(std::array::from_fn(|group| span(if group == 0 { WHOLE } else { group })));
        };
        (begin..=text.len())
            .filter(|&at| may_begin(text, at))
            .take(PLACES_MAX)
            .find_map(|at| at_place.find_with(whole, text, at, scratch))
    }
}

impl Matcher {
    fn new(hir: Hir, required: &Required) -> Self {
        if matches!(required, Required::AtBeginning(_)) {
            return Self::AtPlace(compiled(hir));
        }
        let at_place = compiled(hir.clone());
        let first = Lazy::new(Box::new(move || {
            let beginning = parse(BEGINNING).expect("it is written above");
            let whole = Capture { index: WHOLE as u32, name: None, sub: Box::new(hir) };
            long(&Hir::concat(vec![beginning, Hir::capture(whole)]))
        }) as Box<dyn FnOnce() -> meta::Regex + Send>);
        Self::Anywhere { first, at_place }
    }
}

fn compiled(hir: Hir) -> Lazy<Compiled> {
    Lazy::new(Box::new(move || compile(&hir)))
}

impl Compiled {
    /// Tries what is left of a regex without its look-around at one place, and if that matches the whole.
    fn find_with(
        &self,
        whole: &fancy_regex::Regex,
        text: &[u8],
        at: usize,
        scratch: &mut Scratch,
    ) -> Option<Groups> {
        self.find(&Input::new(text).range(at..).anchored(Anchored::Yes), scratch)?;
        scratch.asked += 1;
        if scratch.asked > LOOK_AROUND_MAX {
            return None;
        }
        // One that takes too many steps does not match.
        let captures = whole.captures_input(RegexInput::new(text).from_pos(at).anchored(true)).ok()??;
        Some(std::array::from_fn(|group| captures.get(group).map(|found| (found.start(), found.end()))))
    }

    fn find(&self, input: &Input<'_>, scratch: &mut Scratch) -> Option<Groups> {
        match self {
            Self::Long(regex) => groups_of(regex, input),
            Self::Short(regex) => {
                let cache = scratch.cache.get_or_insert_with(|| regex.create_cache());
                cache.reset(regex);
                let mut slots = [None::<NonMaxUsize>; 2 * GROUPS];
                regex.try_search_slots(cache, input, &mut slots).expect("texts are short enough")?;
                let place = |slot: usize| slots[slot].map(NonMaxUsize::get);
                Some(std::array::from_fn(|group| Some((place(2 * group)?, place(2 * group + 1)?))))
            }
        }
    }
}

fn compile(hir: &Hir) -> Compiled {
    if runs_on(hir) {
        return Compiled::Long(long(hir));
    }
    let config = thompson::Config::new().utf8(false).which_captures(WhichCaptures::All);
    let nfa: NFA = thompson::Compiler::new().configure(config).build_from_hir(hir).expect("no limit is set");
    match BoundedBacktracker::new_from_nfa(nfa) {
        Ok(regex) if regex.max_haystack_len() >= TEXT_MAX_BYTES => Compiled::Short(regex),
        _ => Compiled::Long(long(hir)),
    }
}

fn long(hir: &Hir) -> meta::Regex {
    let config = meta::Config::new().utf8_empty(false).nfa_size_limit(None).onepass(false).dfa(false);
    meta::Builder::new().configure(config).build_from_hir(hir).expect("no limit is set")
}

/// Says whether the pattern can run over any text, by a repetition of nearly every byte.
fn runs_on(hir: &Hir) -> bool {
    match hir.kind() {
        HirKind::Repetition(Repetition { max: None, sub, .. }) => match sub.kind() {
            HirKind::Class(Class::Bytes(class)) => {
                class.iter().map(ClassBytesRange::len).sum::<usize>() > 128
            }
            _ => runs_on(sub),
        },
        HirKind::Repetition(Repetition { sub, .. }) => runs_on(sub),
        HirKind::Capture(capture) => runs_on(&capture.sub),
        HirKind::Concat(parts) | HirKind::Alternation(parts) => parts.iter().any(runs_on),
        _ => false,
    }
}

fn groups_of(regex: &meta::Regex, input: &Input<'_>) -> Option<Groups> {
    let mut captures = regex.create_captures();
    regex.search_captures(input, &mut captures);
    captures
        .is_match()
        .then(|| std::array::from_fn(|group| captures.get_group(group).map(|span| (span.start, span.end))))
}

fn one_line(error: &str) -> String {
    let last = error.lines().last().unwrap_or(error).trim();
    last.strip_prefix("error: ").unwrap_or(last).to_owned()
}
