//! How long to wait before the next try: longer each time, and not the same for all lanes.

use std::time::Duration;

use rand::RngExt as _;

const FIRST: Duration = Duration::from_millis(50);
const LONGEST: Duration = Duration::from_secs(2);

pub struct Backoff {
    next: Duration,
    tries: u32,
}

impl Backoff {
    pub fn new() -> Self {
        Self { next: FIRST, tries: 0 }
    }

    /// Whether this try's failure is worth a line in the log: the first, and then every so often.
    pub fn is_worth_telling(&self) -> bool {
        self.tries == 1 || self.tries.is_multiple_of(15)
    }

    /// The next pause, between half and all of what it may be.
    pub fn pause(&mut self) -> Duration {
        let pause = self.next.mul_f64(rand::rng().random_range(0.5..1.0));
        self.next = (self.next * 2).min(LONGEST);
        self.tries += 1;
        pause
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_to_two_seconds() {
        let mut backoff = Backoff::new();
        let pauses: Vec<Duration> = std::iter::repeat_with(|| backoff.pause()).take(20).collect();
        assert!(pauses[0] <= FIRST);
        assert!(pauses[10..].iter().all(|pause| (LONGEST / 2..=LONGEST).contains(pause)));
    }
}
