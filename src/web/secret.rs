//! Tokens, passwords and keys: they print nowhere.

/// The least that signs a cookie: what nobody can try out.
const COOKIE_SECRET_BYTES: usize = 32;
/// Fewer characters are soon tried out, however slowly one may try.
const PASSWORD_CHARACTERS: usize = 8;

/// A secret that prints nowhere.
#[derive(Clone)]
pub struct Token(String);

impl Token {
    pub(super) fn random() -> Self {
        Self(format!("{:032x}{:032x}", rand::random::<u128>(), rand::random::<u128>()))
    }

    /// Takes as long for a wrong token as for the right one, so that nobody finds it letter by letter.
    pub(super) fn is(&self, shown: &[u8]) -> bool {
        is_same(shown, &self.0)
    }

    /// For whoever needs the secret itself: to sign, and to show it to the provider.
    pub(super) fn reveal(&self) -> &str {
        &self.0
    }
}

/// Whether both are the same; how long it takes tells nothing of `ours`, which is not empty.
pub(super) fn is_same(shown: &[u8], ours: &str) -> bool {
    let ours = ours.as_bytes();
    let mut difference = u8::from(ours.len() != shown.len());
    for (at, &byte) in shown.iter().enumerate() {
        difference |= byte ^ ours[at % ours.len()];
    }
    std::hint::black_box(difference) == 0
}

pub(super) fn parse_token(text: &str) -> Result<Token, String> {
    let is_sendable = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_graphic());
    is_sendable
        .then(|| Token(text.to_owned()))
        .ok_or_else(|| "printable ASCII characters without spaces are allowed".to_owned())
}

pub(super) fn parse_password(text: &str) -> Result<Token, String> {
    let is_long = text.chars().count() >= PASSWORD_CHARACTERS;
    // A field of a form holds one line.
    let is_typable = !text.chars().any(char::is_control);
    (is_long && is_typable)
        .then(|| Token(text.to_owned()))
        .ok_or_else(|| format!("at least {PASSWORD_CHARACTERS} characters are needed"))
}

pub(super) fn parse_cookie_secret(text: &str) -> Result<Token, String> {
    (text.len() >= COOKIE_SECRET_BYTES)
        .then(|| Token(text.to_owned()))
        .ok_or_else(|| format!("at least {COOKIE_SECRET_BYTES} bytes are needed"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_token_itself_is_taken() {
        let token = parse_token("secret").unwrap_or_else(|_| unreachable!());
        assert!(token.is(b"secret"));
        for wrong in ["", "s", "secre", "secret1", "secretsecret", "Secret"] {
            assert!(!token.is(wrong.as_bytes()), "{wrong}");
        }
    }

    #[test]
    fn a_token_can_be_sent_in_a_header() {
        assert!(parse_token("a-b_c.d~1/+=").is_ok());
        for wrong in ["", "a b", "schlüssel", "a\n"] {
            assert!(parse_token(wrong).is_err(), "{wrong}");
        }
    }
}
