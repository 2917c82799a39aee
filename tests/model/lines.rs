//! Lines by their number. They leave the queue in that order, and never come back to it.

use std::fmt;

pub type Line = u8;

/// More are not explored.
const MOST: usize = 4;

/// A set of lines.
#[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Lines(u8);

/// A number for each line.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub struct Count([u8; MOST]);

impl Lines {
    pub fn first(lines: u8) -> Self {
        assert!(usize::from(lines) <= MOST);
        Self((1 << lines) - 1)
    }

    pub fn one(line: Line) -> Self {
        Self(1 << line)
    }

    pub fn iter(self) -> impl Iterator<Item = Line> {
        (0..8).filter(move |&line| self.contains(line))
    }

    pub fn lowest(self) -> Option<Line> {
        self.iter().next()
    }

    pub fn is_empty(self) -> bool {
        self.0 == 0
    }

    pub fn contains(self, line: Line) -> bool {
        self.0 & 1 << line != 0
    }

    pub fn with(self, others: Self) -> Self {
        Self(self.0 | others.0)
    }

    pub fn without(self, others: Self) -> Self {
        Self(self.0 & !others.0)
    }

    /// Says whether the line was there.
    pub fn remove(&mut self, line: Line) -> bool {
        let was_there = self.contains(line);
        *self = self.without(Self::one(line));
        was_there
    }

    pub fn take_lowest(&mut self, most: usize) -> Self {
        let taken = self.iter().take(most).fold(Self::default(), |taken, line| taken.with(Self::one(line)));
        *self = self.without(taken);
        taken
    }
}

impl fmt::Debug for Lines {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_set().entries(self.iter()).finish()
    }
}

impl Count {
    pub fn of(self, line: Line) -> u8 {
        self.0[usize::from(line)]
    }

    pub fn add(&mut self, line: Line) {
        self.0[usize::from(line)] += 1;
    }

    pub fn plus(self, other: Self) -> Self {
        let mut sum = self;
        sum.0.iter_mut().zip(other.0).for_each(|(times, more)| *times += more);
        sum
    }

    pub fn is_at_most_one(self) -> bool {
        self.0.iter().all(|&times| times <= 1)
    }
}
