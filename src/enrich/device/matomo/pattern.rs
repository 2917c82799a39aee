//! One pattern of the files: how it is taken apart, and where it matches.
//!
//! A pattern is a regex of PCRE's kind, found in either case behind a byte that ends a word. Texts are looked at in lower
//! case, so a pattern is rewritten to match lower case only: what is left of it is mostly plain words, and those are
//! found all at once before any pattern is tried.

use std::sync::{Arc, LazyLock};

use fancy_regex::{BytesMode, RegexBuilder, RegexInput};
use regex_automata::meta;
use regex_automata::nfa::thompson::backtrack::{self, BoundedBacktracker};
use regex_automata::nfa::thompson::{self, WhichCaptures};
use regex_automata::util::primitives::NonMaxUsize;
use regex_automata::{Anchored, Input};
use regex_syntax::ParserBuilder;
use regex_syntax::hir::{Capture, Class, ClassBytes, Hir, HirKind, Repetition};

use super::super::USER_AGENT_MAX_BYTES;
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
/// So many places behind the first are tried one by one.
const PLACES_MAX: usize = 100;
/// No text has patterns with look-around tried more often; no real one is known that needs half of that.
const LOOK_AROUND_MAX: usize = 16;
/// Steps after which a pattern with look-around gives up at one place.
const BACKTRACK_MAX: usize = 5_000;

/// Bytes of the text, from and to, of each group.
pub(super) type Groups = [Option<(usize, usize)>; GROUPS];

/// A pattern: the first of its alternatives that matches where the pattern matches first.
pub(super) struct Pattern {
    alternatives: Vec<Alternative>,
}

/// One of the alternatives that a pattern is made of.
enum Alternative {
    /// Tried at one place, where going back costs little. Only what is tried is compiled: these are 28,000.
    AtPlace { regex: LazyLock<Compiled, Compile>, look_around: Option<Arc<fancy_regex::Regex>> },
    /// Looked for in the whole text, in time that grows with the text only.
    Anywhere(meta::Regex),
    /// The same, and from the first place on tried with its look-around.
    AnywhereWithLookAround { first: meta::Regex, stripped: meta::Regex, look_around: Arc<fancy_regex::Regex> },
}

type Compile = Box<dyn FnOnce() -> Compiled + Send>;

enum Compiled {
    Small(BoundedBacktracker),
    /// With too many states to go back over.
    Large(meta::Regex),
}

/// What a text needs while patterns are tried on it; its memory is used again.
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
            let required = needed(&hir);
            let alternative = match required {
                Required::AtBeginning(_) => Alternative::at_place(hir, None),
                Required::Anywhere(_) | Required::Nothing => Alternative::Anywhere(behind_beginning(hir)),
            };
            self.push(alternative, required);
        }
    }

    /// Adds what is left of a regex without its look-around. What may match anywhere is one alternative.
    fn add_with_look_around(&mut self, stripped: Hir, source: &str) -> Result<(), String> {
        let look_around = look_around(source)?;
        let (mut rest, mut rest_required) = (Vec::new(), Vec::new());
        for hir in alternatives(stripped) {
            match needed(&hir) {
                required @ Required::AtBeginning(_) => {
                    self.push(Alternative::at_place(hir, Some(Arc::clone(&look_around))), required);
                }
                required => {
                    rest.push(hir);
                    rest_required.push(required);
                }
            }
        }
        if !rest.is_empty() {
            let rest = Hir::alternation(rest);
            let stripped = linear(&rest);
            let first = behind_beginning(rest);
            let alternative = Alternative::AnywhereWithLookAround { first, stripped, look_around };
            self.push(alternative, any_of(rest_required));
        }
        Ok(())
    }

    fn push(&mut self, alternative: Alternative, required: Required) {
        self.alternatives.push(alternative);
        self.required.push(required);
    }
}

/// What an alternative needs; one that can go far from its place is looked for in the whole text.
fn needed(hir: &Hir) -> Required {
    match required(hir) {
        Required::AtBeginning(literals) if runs_on(hir) => Required::Anywhere(literals),
        required => required,
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
    match text[..at] {
        [] => true,
        [.., before, b'_'] => !is_inside_word(before),
        [b'_'] => false,
        [.., last] if !is_inside_word(last) => true,
        _ => text[..at].ends_with(b"sprd-") || text[..at].ends_with(b"mz-"),
    }
}

fn is_inside_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'-'
}

impl Pattern {
    /// Tries one alternative of the pattern: at the place, or in the whole text, as it is made. Group 0 is what the
    /// pattern itself matches.
    pub(super) fn find(
        &self,
        alternative: usize,
        text: &[u8],
        at: usize,
        scratch: &mut Scratch,
    ) -> Option<Groups> {
        match &self.alternatives[alternative] {
            Alternative::AtPlace { regex, look_around } => {
                let groups = scratch.find_at(regex, text, at)?;
                look_around.as_ref().map_or(Some(groups), |whole| scratch.ask(whole, text, at))
            }
            Alternative::Anywhere(regex) => first_behind_beginning(regex, text),
            Alternative::AnywhereWithLookAround { first, stripped, look_around } => {
                let (begin, _) = first_behind_beginning(first, text)?[0]?;
                let places = (begin..=text.len()).filter(|&at| may_begin(text, at)).take(PLACES_MAX);
                let at_place = |at| Input::new(text).range(at..).anchored(Anchored::Yes);
                places
                    .filter(|&at| stripped.is_match(at_place(at)))
                    .take(LOOK_AROUND_MAX)
                    .find_map(|at| scratch.ask(look_around, text, at))
            }
        }
    }
}

impl Alternative {
    fn at_place(hir: Hir, look_around: Option<Arc<fancy_regex::Regex>>) -> Self {
        Self::AtPlace { regex: LazyLock::new(Box::new(move || compile(&hir))), look_around }
    }
}

impl Scratch {
    fn find_at(&mut self, regex: &Compiled, text: &[u8], at: usize) -> Option<Groups> {
        let input = Input::new(text).range(at..).anchored(Anchored::Yes);
        let mut slots = [None::<NonMaxUsize>; 2 * GROUPS];
        match regex {
            Compiled::Small(regex) => {
                let cache = self.cache.get_or_insert_with(|| regex.create_cache());
                cache.reset(regex);
                regex.try_search_slots(cache, &input, &mut slots).expect("texts are short enough")?;
            }
            Compiled::Large(regex) => {
                regex.search_slots(&input, &mut slots)?;
            }
        }
        let place = |slot: usize| slots[slot].map(NonMaxUsize::get);
        Some(std::array::from_fn(|group| Some((place(2 * group)?, place(2 * group + 1)?))))
    }

    /// Asks a regex with look-around; one that takes too many steps does not match, nor does any that is asked too late.
    fn ask(&mut self, regex: &fancy_regex::Regex, text: &[u8], at: usize) -> Option<Groups> {
        self.asked += 1;
        if self.asked > LOOK_AROUND_MAX {
            return None;
        }
        let captures = regex.captures_input(RegexInput::new(text).from_pos(at).anchored(true)).ok()??;
        Some(std::array::from_fn(|group| captures.get(group).map(|found| (found.start(), found.end()))))
    }
}

fn compile(hir: &Hir) -> Compiled {
    let config = thompson::Config::new().utf8(false).which_captures(WhichCaptures::All);
    let nfa = thompson::Compiler::new().configure(config).build_from_hir(hir).expect("no limit is set");
    match BoundedBacktracker::new_from_nfa(nfa) {
        Ok(regex) if regex.max_haystack_len() >= USER_AGENT_MAX_BYTES => Compiled::Small(regex),
        _ => Compiled::Large(linear(hir)),
    }
}

/// Takes time that grows with the text only, whatever the regex.
fn linear(hir: &Hir) -> meta::Regex {
    let config = meta::Config::new().utf8_empty(false).nfa_size_limit(None).onepass(false).dfa(false);
    meta::Builder::new().configure(config).build_from_hir(hir).expect("no limit is set")
}

fn behind_beginning(hir: Hir) -> meta::Regex {
    let beginning = parse(BEGINNING).expect("it is written above");
    let whole = Capture { index: WHOLE as u32, name: None, sub: Box::new(hir) };
    linear(&Hir::concat(vec![beginning, Hir::capture(whole)]))
}

fn first_behind_beginning(regex: &meta::Regex, text: &[u8]) -> Option<Groups> {
    // Most do not match, and to say so costs less.
    if !regex.is_match(text) {
        return None;
    }
    let mut captures = regex.create_captures();
    regex.search_captures(&Input::new(text), &mut captures);
    let span = |group| captures.get_group(group).map(|span| (span.start, span.end));
    Some(std::array::from_fn(|group| span(if group == 0 { WHOLE } else { group })))
}

/// Says whether a repetition can run over words and what parts them (`Nokia[a-z -]+`): tried at each word, that takes the
/// square of the text.
fn runs_on(hir: &Hir) -> bool {
    let has = |class: &ClassBytes, is: fn(u8) -> bool| {
        class.iter().any(|range| (range.start()..=range.end()).any(is))
    };
    match hir.kind() {
        HirKind::Repetition(Repetition { max: None, sub, .. }) => match sub.kind() {
            HirKind::Class(Class::Bytes(class)) => {
                has(class, |byte| byte.is_ascii_lowercase())
                    && has(class, |byte| !is_inside_word(byte) && byte != b'_')
            }
            _ => runs_on(sub),
        },
        HirKind::Repetition(Repetition { sub, .. }) => runs_on(sub),
        HirKind::Capture(capture) => runs_on(&capture.sub),
        HirKind::Concat(parts) | HirKind::Alternation(parts) => parts.iter().any(runs_on),
        _ => false,
    }
}

fn one_line(error: &str) -> String {
    let last = error.lines().last().unwrap_or(error).trim();
    last.strip_prefix("error: ").unwrap_or(last).to_owned()
}
