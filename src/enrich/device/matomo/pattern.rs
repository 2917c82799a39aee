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
use super::source::{branches, in_lower_case, without_look_around};

/// Where a match may begin: nothing that could belong to the same word stands before it.
const BEGINNING: &str = "(?:^|[^A-Z0-9_-]|[^A-Z0-9-]_|sprd-|MZ-)";
/// Groups `$0` to `$9`: no name or model of the files refers to a later one.
const GROUPS: usize = 10;
/// Steps after which a pattern with look-around gives up; none of the files' takes a hundredth on a real user agent.
const BACKTRACK_MAX: usize = 5000;

/// Bytes of the text, from and to, of each group.
pub(super) type Groups = [Option<(usize, usize)>; GROUPS];

/// A pattern: the first of its alternatives that matches where the pattern matches first.
pub(super) struct Pattern {
    alternatives: Vec<Alternative>,
}

/// One of the alternatives that a pattern is made of; compiled when it is first tried.
struct Alternative {
    /// Without its look-around.
    matcher: Matcher,
    /// The whole of it, where it has look-around: asked last, since it is slow.
    look_around: Option<Arc<fancy_regex::Regex>>,
}

/// Compiled when it is first tried.
type Lazy<T> = LazyLock<T, Box<dyn FnOnce() -> T + Send>>;

enum Matcher {
    AtBeginning(Lazy<Compiled>),
    Anywhere(Lazy<meta::Regex>),
}

enum Compiled {
    Short(BoundedBacktracker),
    /// Large, or can run over the whole text (`Android.+TV`), where going back costs too much.
    Long(meta::Regex),
}

/// Memory that a match needs, used again and again.
pub(super) struct Scratch {
    cache: Option<backtrack::Cache>,
}

impl Scratch {
    pub(super) const fn new() -> Self {
        Self { cache: None }
    }
}

/// Takes a pattern apart, and says for each of its alternatives what it needs.
///
/// # Errors
/// What is wrong with the regex, in one line.
pub(super) fn analyse(source: &str) -> Result<(Pattern, Vec<Required>), String> {
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

    /// Adds what is left of a regex without its look-around. What may match anywhere is one alternative, so that the
    /// whole of the regex is looked for once.
    fn add_with_look_around(&mut self, stripped: Hir, source: &str) -> Result<(), String> {
        let mut at_beginning = None;
        let (mut rest, mut rest_required) = (Vec::new(), Vec::new());
        for hir in alternatives(stripped) {
            match required(&hir) {
                required @ Required::AtBeginning(_) => {
                    let whole = match &at_beginning {
                        Some(whole) => Arc::clone(whole),
                        None => Arc::clone(at_beginning.insert(look_around(source)?)),
                    };
                    let matcher = Matcher::new(hir, &required);
                    self.alternatives.push(Alternative { matcher, look_around: Some(whole) });
                    self.required.push(required);
                }
                required => {
                    rest.push(hir);
                    rest_required.push(required);
                }
            }
        }
        if !rest.is_empty() {
            let required = any_of(rest_required);
            let matcher = Matcher::new(Hir::alternation(rest), &required);
            let anywhere = look_around(&format!("{BEGINNING}(?:{source})"))?;
            self.alternatives.push(Alternative { matcher, look_around: Some(anywhere) });
            self.required.push(required);
        }
        Ok(())
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
    /// Tries one alternative of the pattern at one place, or looks for it in the whole text, as it needs.
    pub(super) fn find(
        &self,
        alternative: usize,
        text: &[u8],
        at: usize,
        scratch: &mut Scratch,
    ) -> Option<Groups> {
        let Alternative { matcher, look_around } = &self.alternatives[alternative];
        let (groups, input) = match matcher {
            Matcher::AtBeginning(compiled) => {
                let input = Input::new(text).range(at..).anchored(Anchored::Yes);
                (compiled.find(&input, scratch)?, RegexInput::new(text).from_pos(at).anchored(true))
            }
            Matcher::Anywhere(regex) => (groups_of(regex, &Input::new(text))?, RegexInput::new(text)),
        };
        match look_around {
            None => Some(groups),
            // One that takes too many steps does not match.
            Some(regex) => {
                let captures = regex.captures_input(input).ok()??;
                Some(std::array::from_fn(|group| {
                    captures.get(group).map(|found| (found.start(), found.end()))
                }))
            }
        }
    }
}

impl Matcher {
    fn new(hir: Hir, required: &Required) -> Self {
        if matches!(required, Required::AtBeginning(_)) {
            return Self::AtBeginning(Lazy::new(Box::new(move || compile(&hir))));
        }
        Self::Anywhere(Lazy::new(Box::new(move || {
            let beginning = parse(BEGINNING).expect("it is written above");
            long(&Hir::concat(vec![beginning, hir]))
        })))
    }
}

impl Compiled {
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
    error.lines().last().unwrap_or(error).trim().to_owned()
}
