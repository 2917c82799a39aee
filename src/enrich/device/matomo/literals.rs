//! What must stand in a text for a regex to match: literals, which are found all at once.

use regex_syntax::hir::literal::Extractor;
use regex_syntax::hir::{Hir, HirKind};

/// A literal that must stand in the text is no longer than this: more bytes would only cost memory.
const LITERAL_MAX_BYTES: usize = 10;
/// Nor shorter, if it can be longer.
const LITERAL_MIN_BYTES: usize = 4;
/// Where one alternative begins in more ways than this, its literals are shortened.
const LITERALS_WANTED: usize = 4;
/// Where it begins in more ways than this, it has no literals.
const LITERALS_MAX: usize = 500;
/// Literals of this length are rare.
const RARE: usize = 3;
/// In most user agents.
const COMMON: &[&[u8]] = &[
    b"mozilla/",
    b"android",
    b"linux",
    b"windows",
    b"applewebkit",
    b"chrome/",
    b"mobile",
    b"safari",
    b"version/",
    b" build",
];

/// What must stand in a text where an alternative of a pattern matches.
pub(super) enum Required {
    /// One of these where the match begins.
    AtBeginning(Vec<Vec<u8>>),
    /// One of these anywhere.
    Anywhere(Vec<Vec<u8>>),
    /// Nothing that is known: the pattern is to be tried on every text.
    Nothing,
}

/// Takes what a match begins with, unless what comes later is rarer.
pub(super) fn required(hir: &Hir) -> Required {
    let first = beginnings(hir);
    let later = match hir.kind() {
        HirKind::Concat(parts) if first.as_deref().map_or(0, rarity) < RARE => (1..parts.len())
            .filter_map(|from| beginnings(&Hir::concat(parts[from..].to_vec())))
            .max_by_key(|literals| rarity(literals)),
        _ => None,
    };
    match (first, later) {
        (_, Some(later)) if rarity(&later) >= RARE => Required::Anywhere(later),
        (Some(first), _) => Required::AtBeginning(first),
        (None, Some(later)) => Required::Anywhere(later),
        (None, None) => Required::Nothing,
    }
}

/// How much the literals tell: the length of the shortest, and nothing where it is in most user agents.
fn rarity(literals: &[Vec<u8>]) -> usize {
    let of_one = |literal: &Vec<u8>| {
        let is_common =
            COMMON.iter().any(|common| literal.starts_with(common) || common.starts_with(literal));
        if is_common { 0 } else { literal.len() }
    };
    literals.iter().map(of_one).min().unwrap_or_default()
}

/// The literals with one of which every match begins; shortened where there would be many.
fn beginnings(hir: &Hir) -> Option<Vec<Vec<u8>>> {
    let mut found = Extractor::new().limit_class(12).limit_total(LITERALS_MAX).extract(hir);
    for length in (LITERAL_MIN_BYTES..=LITERAL_MAX_BYTES).rev() {
        found.keep_first_bytes(length);
        found.dedup();
        if found.len()? <= LITERALS_WANTED {
            break;
        }
    }
    let mut literals: Vec<Vec<u8>> =
        found.literals()?.iter().map(|literal| literal.as_bytes().to_vec()).collect();
    literals.sort_unstable();
    literals.dedup();
    literals.iter().all(|literal| !literal.is_empty()).then_some(literals)
}

/// What is needed where one of several alternatives is to match.
pub(super) fn any_of(required: Vec<Required>) -> Required {
    let mut all = Vec::new();
    for one in required {
        match one {
            Required::AtBeginning(literals) | Required::Anywhere(literals) => all.extend(literals),
            Required::Nothing => return Required::Nothing,
        }
    }
    Required::Anywhere(all)
}
