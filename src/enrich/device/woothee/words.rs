//! Looking for marks in a user agent, at the start of its words and in either case.

/// Marks in lower case with what each means; of several in one text, the uppermost counts.
pub(super) struct Marks {
    table: &'static [(&'static str, &'static str)],
    /// For each byte, which marks begin with it: one bit a mark.
    beginning_with: [u128; 256],
}

impl Marks {
    /// Takes at most 128 marks, none of them empty.
    pub(super) const fn new(table: &'static [(&'static str, &'static str)]) -> Self {
        let mut beginning_with = [0; 256];
        let mut index = 0;
        while index < table.len() {
            let first = table[index].0.as_bytes()[0];
            beginning_with[first as usize] |= 1_u128 << index;
            index += 1;
        }
        Self { table, beginning_with }
    }

    /// Says what the text means by its uppermost mark.
    pub(super) fn meaning(&self, words: &Words<'_>) -> Option<&'static str> {
        self.meaning_where(words, |_, _| true)
    }

    /// Does the same with only those marks that a second look confirms, given the mark and the text from there on.
    pub(super) fn meaning_where(
        &self,
        words: &Words<'_>,
        holds: impl Fn(&str, &[u8]) -> bool,
    ) -> Option<&'static str> {
        let mut above = u128::MAX;
        let mut uppermost = None;
        for word in words.iter() {
            let mut candidates = self.beginning_with[usize::from(word[0].to_ascii_lowercase())] & above;
            while candidates != 0 {
                let index = candidates.trailing_zeros();
                candidates &= candidates - 1;
                let (mark, meaning) = self.table[index as usize];
                if begins_with(word, mark) && holds(mark, word) {
                    uppermost = Some(meaning);
                    above = (1 << index) - 1;
                    break;
                }
            }
        }
        uppermost
    }
}

/// A text with the starts of its words, found once and looked through many times.
///
/// A word starts where no ASCII letter, digit, `_` or `-` stands before, so `Mint` is not found in `Peppermint`.
pub(super) struct Words<'a> {
    pub(super) text: &'a str,
    starts: Vec<&'a [u8]>,
}

impl<'a> Words<'a> {
    pub(super) fn of(text: &'a str) -> Self {
        let bytes = text.as_bytes();
        let mut starts = Vec::with_capacity(bytes.len() / 2 + 1);
        let mut inside_word = false;
        for (at, &byte) in bytes.iter().enumerate() {
            if !inside_word && byte.is_ascii_alphanumeric() {
                starts.push(&bytes[at..]);
            }
            inside_word = is_inside_word(byte);
        }
        Self { text, starts }
    }

    /// Yields what is left of the text at the start of each word, never empty.
    pub(super) fn iter(&self) -> impl Iterator<Item = &'a [u8]> {
        self.starts.iter().copied()
    }

    /// Says whether the mark stands at the start of a word.
    pub(super) fn has(&self, mark: &str) -> bool {
        self.iter().any(|word| begins_with(word, mark))
    }
}

/// Says whether no word starts behind the byte.
fn is_inside_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-')
}

/// Says whether the text begins with the mark, in either case.
pub(super) fn begins_with(text: &[u8], mark: &str) -> bool {
    text.get(..mark.len()).is_some_and(|head| head.eq_ignore_ascii_case(mark.as_bytes()))
}
