//! Lines of `.env` that foreman and this program read alike, and how each of them reads a file.

use std::collections::BTreeMap;

/// What needs no quotes anywhere, not even in a shell.
const PLAIN: &[u8] = b"_-./:@%+,=";

/// `NAME=value`, quoted where that is needed.
///
/// # Errors
/// When no way of writing the value is read alike by all; names the variable and not the value.
pub(super) fn line(name: &str, value: &str) -> Result<String, String> {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || PLAIN.contains(&byte);
    if value.bytes().all(is_plain) {
        return Ok(format!("{name}={value}"));
    }
    // Nothing counts between single quotes; but dotenvy takes a backslash before the last one for an escape.
    if !value.contains(['\'', '\n']) && !value.ends_with('\\') {
        return Ok(format!("{name}='{value}'"));
    }
    // Between double quotes foreman takes any backslash before an n for a line end, even one that is escaped.
    if value.contains("\\n") {
        return Err(format!("{name}: a value with \\n in it can hold no single quote and no line end"));
    }
    let mut quoted = String::with_capacity(value.len() + 8);
    for sign in value.chars() {
        match sign {
            '\n' => quoted.push_str("\\n"),
            '\\' | '"' | '$' => quoted.extend(['\\', sign]),
            _ => quoted.push(sign),
        }
    }
    Ok(format!("{name}=\"{quoted}\""))
}

/// A file as this program reads it; nothing when it cannot.
pub(super) fn read(text: &str) -> Option<BTreeMap<String, String>> {
    dotenvy::from_read_iter(text.as_bytes()).collect::<Result<_, _>>().ok()
}

/// A file as foreman reads it (`lib/foreman/env.rb` of 0.87): lines that are none are passed over.
pub(super) fn read_as_foreman(text: &str) -> BTreeMap<String, String> {
    let text = text.replace("\r\n", "\n");
    let assignment = |line: &str| {
        let (name, value) = line.split_once('=')?;
        let is_name =
            !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
        is_name.then(|| (name.to_owned(), unquoted_by_foreman(value)))
    };
    text.split('\n').filter_map(assignment).collect()
}

fn unquoted_by_foreman(value: &str) -> String {
    let between = |quote| value.strip_prefix(quote).and_then(|rest: &str| rest.strip_suffix(quote));
    if let Some(inner) = between('\'') {
        return inner.to_owned();
    }
    let Some(inner) = between('"') else { return value.to_owned() };
    let inner = inner.replace("\\n", "\n");
    let mut unquoted = String::with_capacity(inner.len());
    let mut signs = inner.chars().peekable();
    while let Some(sign) = signs.next() {
        match signs.peek() {
            Some(&escaped) if sign == '\\' && escaped != '\n' => {
                unquoted.push(escaped);
                signs.next();
            }
            _ => unquoted.push(sign),
        }
    }
    unquoted
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn assert_read_alike(value: &str) {
        let Ok(line) = line("NAME", value) else {
            assert!(value.contains("\\n"), "{value:?} can be written");
            return;
        };
        let text = format!("# it's a comment\nBEFORE=1\n{line}\nAFTER='2'\n");
        for read in [read(&text).unwrap_or_else(|| panic!("{text}")), read_as_foreman(&text)] {
            assert_eq!(read["NAME"], value, "{text}");
            assert_eq!((&*read["BEFORE"], &*read["AFTER"]), ("1", "2"), "{text}");
        }
    }

    #[test]
    fn awkward_values_are_read_alike() {
        for value in [
            "",
            "plain",
            "#x",
            "a #b",
            " a ",
            "it's",
            "$HOME ${HOME}",
            "\\",
            "\\\\",
            "a\\'b",
            "\"",
            "'",
            "''",
            "'a'",
            "\"a\"",
            "a\nb\n",
            "\\\n",
            "a\\nb",
            "-----BEGIN-----\r\nabc=\r\n-----END-----\r\n",
            "redis://:p@ss'w$rd\\@host:1/0",
            "a\tb",
            "schön",
            "`id`",
        ] {
            assert_read_alike(value);
        }
    }

    #[test]
    fn what_cannot_be_read_alike_is_refused_without_showing_it() {
        for value in ["it's\\n", "a\\nb\nc"] {
            let refused = line("NAME", value).unwrap_err();
            assert!(refused.starts_with("NAME: ") && !refused.contains(value), "{refused}");
        }
    }

    proptest! {
        #[test]
        fn any_value_is_read_alike(value in "[a-zA-Z0-9'\"\\\\$#= \n\r\t{}n]{0,12}|[^\0]{0,12}") {
            assert_read_alike(&value);
        }
    }
}
