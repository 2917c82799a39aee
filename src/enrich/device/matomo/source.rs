//! Regexes as they are written: taken apart, and changed, before they are read.

/// Groups may stand in groups so often.
const DEPTH_MAX: usize = 100;

/// Takes a regex apart into alternatives: at its bars, and at those of the group that it begins with. Empty groups stand
/// for those of other branches, so that all keep their numbers.
pub(super) fn branches(source: &str) -> Vec<String> {
    let empty_groups = |count: usize| "()".repeat(count);
    let mut all = Vec::new();
    let mut groups_before = 0;
    for part in split_at_bars(source) {
        let before = empty_groups(groups_before);
        groups_before += count_groups(part);
        match leading_group(part) {
            None => all.push(format!("{before}{part}")),
            Some((open, inside, tail)) => all.extend(branches(inside).into_iter().map(|branch| {
                let after = empty_groups(count_groups(inside) - count_groups(&branch));
                format!("{before}{open}{branch}{after}){tail}")
            })),
        }
    }
    all
}

/// Yields what a regex is made of: a letter, escaped or not, or a class; with where it begins.
fn atoms(source: &str) -> impl Iterator<Item = (usize, &str)> {
    let mut at = 0;
    std::iter::from_fn(move || {
        let rest = &source[at..];
        let length = match rest.chars().next()? {
            '\\' => 1 + rest[1..].chars().next().map_or(0, char::len_utf8),
            '[' => class_length(rest),
            letter => letter.len_utf8(),
        };
        let atom = (at, &rest[..length]);
        at += length;
        Some(atom)
    })
}

/// How long the class is that the text begins with; a `]` that it begins with belongs to it.
fn class_length(text: &str) -> usize {
    let mut escaped = false;
    for (at, letter) in text.char_indices().skip(1) {
        let begins = matches!(&text[1..at], "" | "^");
        match letter {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            ']' if !begins => return at + 1,
            _ => {}
        }
    }
    text.len()
}

/// Splits a regex at those `|` that no group holds.
fn split_at_bars(source: &str) -> Vec<&str> {
    let mut parts = Vec::new();
    let (mut from, mut depth) = (0, 0_usize);
    for (at, atom) in atoms(source) {
        match atom {
            "(" => depth += 1,
            ")" => depth = depth.saturating_sub(1),
            "|" if depth == 0 => {
                parts.push(&source[from..at]);
                from = at + 1;
            }
            _ => {}
        }
    }
    parts.push(&source[from..]);
    parts
}

/// The group that a regex begins with, if it is plain or captures and is there once: how it opens, what it holds, what follows.
fn leading_group(source: &str) -> Option<(&str, &str, &str)> {
    let open = if source.starts_with("(?:") { "(?:" } else { "(" };
    if !source.starts_with('(') || (open == "(" && source.starts_with("(?")) {
        return None;
    }
    let mut depth = 0_usize;
    for (at, atom) in atoms(source) {
        match atom {
            "(" => depth += 1,
            ")" => depth -= 1,
            _ => {}
        }
        if depth == 0 {
            let tail = &source[at + 1..];
            let repeats = tail.starts_with(['?', '*', '+', '{']);
            return (!repeats).then_some((open, &source[open.len()..at], tail));
        }
    }
    None
}

fn count_groups(source: &str) -> usize {
    let captures = |&(at, atom): &(usize, &str)| {
        let rest = &source[at + 1..];
        let is_named = rest.starts_with("?P<") || (rest.starts_with("?<") && !is_look_around(&source[at..]));
        atom == "(" && (!rest.starts_with('?') || is_named)
    };
    atoms(source).filter(captures).count()
}

fn is_look_around(source: &str) -> bool {
    ["(?=", "(?!", "(?<=", "(?<!"].iter().any(|start| source.starts_with(start))
}

/// Says what in a regex is not to be read, for it would mean something else, or need more memory than there is.
pub(super) fn refusal(source: &str) -> Option<&'static str> {
    let (mut depth, mut deepest) = (0_usize, 0);
    for (_, atom) in atoms(source) {
        match atom {
            "(" => depth += 1,
            ")" => depth = depth.saturating_sub(1),
            _ if atom.starts_with('[') && ["&&", "--", "~~"].iter().any(|set| atom.contains(set)) => {
                return Some("a class with &&, -- or ~~");
            }
            _ => {}
        }
        deepest = deepest.max(depth);
    }
    (deepest > DEPTH_MAX).then_some("groups in groups in groups, too many")
}

/// Leaves out `(?=`, `(?!`, `(?<=` and `(?<!` with all that they hold: what is left matches wherever the whole does.
/// `None` where there is none.
pub(super) fn without_look_around(source: &str) -> Option<String> {
    let mut kept = String::with_capacity(source.len());
    let mut found = false;
    // How many groups are open since the look-around began.
    let mut depth = 0_usize;
    for (at, atom) in atoms(source) {
        let begins = is_look_around(&source[at..]);
        match atom {
            "(" if depth > 0 || begins => depth += 1,
            ")" if depth > 0 => depth -= 1,
            _ if depth == 0 => kept.push_str(atom),
            _ => {}
        }
        found |= begins && atom == "(";
    }
    found.then_some(kept)
}

/// Writes a regex in lower case, which reads quicker than one for either case and leaves plain words in it; `None` where
/// that would mean something else.
pub(super) fn in_lower_case(source: &str) -> Option<String> {
    let mut lowered = String::with_capacity(source.len());
    for (at, atom) in atoms(source) {
        match atom.as_bytes() {
            b"(" if source[at..].starts_with("(?") && !source[at..].starts_with("(?:") => return None,
            [b'\\', b'x' | b'u' | b'U' | b'p' | b'P', ..] => return None,
            [b'\\', ..] => lowered.push_str(atom),
            [b'[', class @ ..] => {
                let is_odd = |ends: &[u8]| ends[1] == b'-' && !is_of_one_case(ends[0], ends[2]);
                if atom.contains("[:")
                    || (class.contains(&b'\\')
                        && class.iter().any(|byte| byte.is_ascii_uppercase() || b"xup".contains(byte)))
                    || class.windows(3).any(is_odd)
                {
                    return None;
                }
                lowered.push_str(&atom.to_ascii_lowercase());
            }
            _ => lowered.push_str(&atom.to_ascii_lowercase()),
        }
    }
    Some(lowered)
}

/// Says whether what lies between the two stays the same in lower case. What a `-` at an end of a class parts is no range.
fn is_of_one_case(from: u8, to: u8) -> bool {
    let both = |is: fn(&u8) -> bool| is(&from) && is(&to);
    both(u8::is_ascii_digit) || both(u8::is_ascii_uppercase) || both(u8::is_ascii_lowercase) || to == b']'
}
