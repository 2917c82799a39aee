//! Counts what came out against what was pushed. For each line it keeps ten bytes, so that millions are no matter.

use std::fmt;
use std::hash::{DefaultHasher, Hasher};

use crate::lines::Lines;
use crate::options::Delivery;

/// The four figures.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Figures {
    pub pushed: u64,
    /// Lines that came out nowhere.
    pub lost: u64,
    /// Copies beyond the first.
    pub duplicated: u64,
    /// What came out and was not pushed, or not like that.
    pub out_of_nowhere: u64,
}

impl std::ops::Add for Figures {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self {
            pushed: self.pushed + other.pushed,
            lost: self.lost + other.lost,
            duplicated: self.duplicated + other.duplicated,
            out_of_nowhere: self.out_of_nowhere + other.out_of_nowhere,
        }
    }
}

impl fmt::Display for Figures {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { pushed, lost, duplicated, out_of_nowhere } = self;
        write!(
            formatter,
            "pushed {pushed}, lost {lost}, duplicated {duplicated}, out of nowhere {out_of_nowhere}"
        )
    }
}

/// Numbers of lines.
#[derive(Default)]
pub struct Numbers(Vec<u64>);

impl Numbers {
    pub fn insert(&mut self, number: u64) {
        let word = (number / 64) as usize;
        if word >= self.0.len() {
            self.0.resize(word + 1, 0);
        }
        self.0[word] |= 1 << (number % 64);
    }

    pub fn contains(&self, number: u64) -> bool {
        self.0.get((number / 64) as usize).is_some_and(|word| word >> (number % 64) & 1 == 1)
    }

    pub fn count(&self) -> u64 {
        self.0.iter().map(|word| u64::from(word.count_ones())).sum()
    }
}

/// What came out.
pub struct Ledger<'a> {
    lines: &'a Lines,
    copies: Vec<u8>,
    first: Vec<u64>,
    duplicated: u64,
    out_of_nowhere: u64,
    /// The first few, for whoever looks for the reason.
    strange: Vec<String>,
    /// Copies that differ from the first.
    unequal: u64,
}

impl<'a> Ledger<'a> {
    pub fn new(lines: &'a Lines, pushed: u64) -> Self {
        Self {
            lines,
            copies: vec![0; pushed as usize],
            first: vec![0; pushed as usize],
            duplicated: 0,
            out_of_nowhere: 0,
            strange: Vec::new(),
            unequal: 0,
        }
    }

    /// Counts a message that a consumer has seen.
    pub fn add_message(&mut self, topic: &str, message: &[u8]) {
        match self.lines.number_of_message(topic, message) {
            Some(number) => self.count(number, message),
            None => self.add_stranger(message),
        }
    }

    /// Counts a line of the invalid list.
    pub fn add_rejected(&mut self, line: &[u8]) {
        match self.lines.number_of_rejected(line) {
            Some(number) => self.count(number, line),
            None => self.add_stranger(line),
        }
    }

    fn count(&mut self, number: u64, bytes: &[u8]) {
        let Some(copies) = self.copies.get_mut(number as usize) else { return self.add_stranger(bytes) };
        let first = &mut self.first[number as usize];
        let mut hasher = DefaultHasher::new();
        hasher.write(bytes);
        let hash = hasher.finish();
        if *copies == 0 {
            *first = hash;
        } else {
            self.duplicated += 1;
            self.unequal += u64::from(*first != hash);
        }
        *copies = copies.saturating_add(1);
    }

    fn add_stranger(&mut self, bytes: &[u8]) {
        const SHOWN: usize = 5;
        self.out_of_nowhere += 1;
        if self.strange.len() < SHOWN {
            self.strange.push(String::from_utf8_lossy(&bytes[..bytes.len().min(300)]).into_owned());
        }
    }

    pub fn figures(&self) -> Figures {
        Figures {
            pushed: self.copies.len() as u64,
            lost: self.numbers(|copies| copies == 0).count() as u64,
            duplicated: self.duplicated,
            out_of_nowhere: self.out_of_nowhere,
        }
    }

    /// Lines that came more than once although nothing ever took their batch from its owner, and bad ones that came more
    /// than once at all: a rejected line has left its batch.
    fn duplicated_without_reason(&self, left: &Numbers) -> Vec<u64> {
        self.numbers(|copies| copies > 1)
            .filter(|&number| !left.contains(number) || self.lines.is_bad(number))
            .collect()
    }

    /// What must not be, in the words of whoever reads it. `left` are the lines of batches that were left by their owners.
    pub fn problems(&self, delivery: Delivery, left: &Numbers) -> Vec<String> {
        let mut problems = Vec::new();
        let lost: Vec<u64> = self.numbers(|copies| copies == 0).collect();
        if !lost.is_empty() {
            problems.push(format!("{} lines lost: {}", lost.len(), some(&lost)));
        }
        if self.out_of_nowhere > 0 {
            problems.push(format!("{} lines out of nowhere: {:?}", self.out_of_nowhere, self.strange));
        }
        if self.unequal > 0 {
            problems.push(format!("{} copies in other bytes than the first", self.unequal));
        }
        let unreasonable = match delivery {
            Delivery::AtLeastOnce => self.duplicated_without_reason(left),
            Delivery::ExactlyOnce => self.numbers(|copies| copies > 1).collect(),
        };
        if !unreasonable.is_empty() {
            let count = unreasonable.len();
            problems.push(format!("{count} lines duplicated that may not be: {}", some(&unreasonable)));
        }
        problems
    }

    fn numbers(&self, are_they: impl Fn(u8) -> bool) -> impl Iterator<Item = u64> {
        (0..).zip(&self.copies).filter(move |(_, copies)| are_they(**copies)).map(|(number, _)| number)
    }
}

fn some(numbers: &[u64]) -> String {
    const SHOWN: usize = 10;
    let shown: Vec<String> = numbers.iter().take(SHOWN).map(u64::to_string).collect();
    shown.join(", ") + if numbers.len() > SHOWN { ", ..." } else { "" }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PUSHED: u64 = 1000;

    /// What a worker makes of a line, as far as it matters here.
    fn message(lines: &Lines, number: u64) -> (String, Vec<u8>) {
        let line = String::from_utf8(lines.line(number)).unwrap();
        let fields: Vec<&str> = line.split(' ').collect();
        (fields[2].to_owned(), format!("{} klag=1 {}", fields[3], fields[4]).into_bytes())
    }

    fn deliver(ledger: &mut Ledger<'_>, lines: &Lines, number: u64) {
        if lines.is_bad(number) {
            ledger.add_rejected(&lines.line(number));
        } else {
            let (topic, message) = message(lines, number);
            ledger.add_message(&topic, &message);
        }
    }

    /// Each line once, save those that are missing.
    fn all_but<'a>(lines: &'a Lines, missing: &[u64]) -> Ledger<'a> {
        let mut ledger = Ledger::new(lines, PUSHED);
        for number in (0..PUSHED).filter(|number| !missing.contains(number)) {
            deliver(&mut ledger, lines, number);
        }
        ledger
    }

    fn first(lines: &Lines, is_bad: bool) -> u64 {
        (0..PUSHED).find(|&number| lines.is_bad(number) == is_bad).unwrap()
    }

    #[test]
    fn each_line_once_is_no_fault() {
        let lines = Lines::new(7);
        let ledger = all_but(&lines, &[]);
        assert_eq!(ledger.figures(), Figures { pushed: PUSHED, ..Figures::default() });
        assert!(ledger.problems(Delivery::ExactlyOnce, &Numbers::default()).is_empty());
    }

    #[test]
    fn a_lost_line_is_seen_be_it_good_or_bad() {
        let lines = Lines::new(7);
        let missing = [first(&lines, false), first(&lines, true)];
        let ledger = all_but(&lines, &missing);
        assert_eq!(ledger.figures(), Figures { pushed: PUSHED, lost: 2, ..Figures::default() });
        let problems = ledger.problems(Delivery::AtLeastOnce, &Numbers::default());
        assert!(problems.len() == 1 && problems[0].starts_with("2 lines lost: "), "{problems:?}");
    }

    #[test]
    fn a_second_copy_is_seen_and_whether_it_is_equal() {
        let lines = Lines::new(7);
        let mut ledger = all_but(&lines, &[]);
        let number = first(&lines, false);
        deliver(&mut ledger, &lines, number);
        assert_eq!((ledger.figures().duplicated, ledger.unequal), (1, 0));
        let (topic, message) = message(&lines, number);
        let later = String::from_utf8(message).unwrap().replace("klag=1", "klag=2");
        ledger.add_message(&topic, later.as_bytes());
        assert_eq!((ledger.figures().duplicated, ledger.unequal), (2, 1));
        let problems = ledger.problems(Delivery::AtLeastOnce, &Numbers::default());
        assert!(problems[0].starts_with("1 copies in other bytes"), "{problems:?}");
    }

    #[test]
    fn a_copy_has_a_reason_only_if_its_batch_was_left_and_a_rejected_one_never() {
        let lines = Lines::new(7);
        let mut ledger = all_but(&lines, &[]);
        let (good, bad) = (first(&lines, false), first(&lines, true));
        deliver(&mut ledger, &lines, good);
        deliver(&mut ledger, &lines, bad);
        let mut left = Numbers::default();
        let mut without_reason = ledger.duplicated_without_reason(&left);
        without_reason.sort_unstable();
        assert_eq!(without_reason, [good.min(bad), good.max(bad)]);
        left.insert(good);
        left.insert(bad);
        assert_eq!(ledger.duplicated_without_reason(&left), [bad]);
        let in_exactly_once = ledger.problems(Delivery::ExactlyOnce, &left);
        assert!(in_exactly_once[0].starts_with("2 lines duplicated"), "{in_exactly_once:?}");
    }

    #[test]
    fn what_was_not_pushed_is_seen() {
        let lines = Lines::new(7);
        let mut ledger = all_but(&lines, &[]);
        let never_pushed = (PUSHED..).find(|&number| !lines.is_bad(number)).unwrap();
        deliver(&mut ledger, &lines, never_pushed);
        let (topic, message) = message(&lines, first(&lines, false));
        ledger.add_message("elsewhere", &message);
        ledger.add_message(&topic, &message[..message.len() - 1]);
        // A good line that was rejected is lost, and its record is not what should be there.
        ledger.add_rejected(&lines.line(first(&lines, false)));
        assert_eq!(ledger.figures().out_of_nowhere, 4);
        let problems = ledger.problems(Delivery::AtLeastOnce, &Numbers::default());
        assert!(problems.len() == 1 && problems[0].starts_with("4 lines out of nowhere"), "{problems:?}");
    }

    #[test]
    fn numbers_are_kept_by_the_bit() {
        let mut numbers = Numbers::default();
        for number in [0, 63, 64, 1000] {
            numbers.insert(number);
            numbers.insert(number);
        }
        assert_eq!(numbers.count(), 4);
        assert!(numbers.contains(64) && !numbers.contains(65) && !numbers.contains(1_000_000));
    }
}
