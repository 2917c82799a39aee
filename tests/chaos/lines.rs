//! What each numbered line is. Everything follows from the seed and the number, so that a checker knows what was pushed
//! without keeping it.

use std::io::Write;
use std::net::Ipv4Addr;

pub const TOPICS: [&str; 3] = ["clicks", "inapp", "installs"];

/// One line in so many is one that no worker can accept.
const BAD_ONE_IN: u64 = 250;
/// One line in so many has some kilobytes.
const LARGE_ONE_IN: u64 = 1000;
const LARGE_MAX_BYTES: u64 = 6000;
/// User agents that are seen.
const AGENTS: usize = 300;
const PATHS: [&str; 4] = ["/t/click", "/t/apo", "/t/ist", "/t/pay"];
const EPOCH: u64 = 1_465_287_056;

/// All lines there are.
pub struct Lines {
    seed: u64,
    agents: Vec<&'static str>,
}

impl Lines {
    pub fn new(seed: u64) -> Self {
        let table = include_str!("../../data/user-agents.tsv");
        let agents = table.lines().filter_map(|line| Some(line.split_once('\t')?.1)).take(AGENTS).collect();
        Self { seed, agents }
    }

    /// The line as a tracker pushes it.
    pub fn line(&self, number: u64) -> Vec<u8> {
        let dice = self.dice(number);
        let address = Ipv4Addr::from_bits((dice >> 32) as u32);
        let (topic, path, params) = (self.topic(number), self.path(number), self.params(number));
        let agent = self.agents[dice as usize % self.agents.len()];
        let line = match self.flaw(number) {
            None => format!("{address} {EPOCH} {topic} {path} {params} {agent}"),
            Some(Flaw::Address) => format!("unknown {EPOCH} {topic} {path} {params} {agent}"),
            Some(Flaw::Time) => format!("{address} yesterday {topic} {path} {params} {agent}"),
            Some(Flaw::Topic) => format!("{address} {EPOCH} {path} {params} {agent}"),
            Some(Flaw::Fields) => format!("{address} {EPOCH} {topic} {params}"),
            Some(Flaw::NotUtf8) => format!("unknown {EPOCH} {topic} {path} {params} "),
        };
        let mut line = line.into_bytes();
        if self.flaw(number) == Some(Flaw::NotUtf8) {
            line.extend([0xff, 0xfe]);
        }
        line
    }

    /// Whether the invalid list is where it belongs.
    pub fn is_bad(&self, number: u64) -> bool {
        self.flaw(number).is_some()
    }

    /// The number of a message, if it is one that this line gives: in its topic, with its path and its parameters.
    pub fn number_of_message(&self, topic: &str, message: &[u8]) -> Option<u64> {
        let text = std::str::from_utf8(message).ok()?;
        let (path_and_meta, params) = text.rsplit_once(' ')?;
        let (path, _) = path_and_meta.split_once(' ')?;
        let number = number_in(params)?;
        let is_it = !self.is_bad(number)
            && topic == self.topic(number)
            && path == self.path(number)
            && params == self.params(number);
        is_it.then_some(number)
    }

    /// The number of a rejected line, if it is one that was pushed and that is to be rejected.
    pub fn number_of_rejected(&self, line: &[u8]) -> Option<u64> {
        let number = self.number_of_line(line)?;
        self.is_bad(number).then_some(number)
    }

    /// The number of any line that was pushed.
    pub fn number_of_line(&self, line: &[u8]) -> Option<u64> {
        let text = String::from_utf8_lossy(line);
        let number = text.split(' ').find_map(number_in)?;
        (line == self.line(number)).then_some(number)
    }

    fn flaw(&self, number: u64) -> Option<Flaw> {
        const FLAWS: [Flaw; 5] = [Flaw::Address, Flaw::Time, Flaw::Topic, Flaw::Fields, Flaw::NotUtf8];
        let dice = mix(self.dice(number) ^ 1);
        dice.is_multiple_of(BAD_ONE_IN).then(|| FLAWS[(dice >> 32) as usize % FLAWS.len()])
    }

    fn topic(&self, number: u64) -> &'static str {
        TOPICS[(self.dice(number) >> 8) as usize % TOPICS.len()]
    }

    fn path(&self, number: u64) -> &'static str {
        PATHS[(self.dice(number) >> 16) as usize % PATHS.len()]
    }

    fn params(&self, number: u64) -> String {
        let dice = self.dice(number);
        let mut params = format!("n={number}&check={dice:016x}").into_bytes();
        if mix(dice ^ 2).is_multiple_of(LARGE_ONE_IN) {
            let padding = mix(dice ^ 3) % LARGE_MAX_BYTES;
            write!(params, "&padding={}", "x".repeat(padding as usize)).expect("memory takes every write");
        }
        String::from_utf8(params).expect("it was written from text")
    }

    fn dice(&self, number: u64) -> u64 {
        mix(self.seed.wrapping_add(mix(number)))
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Flaw {
    Address,
    Time,
    Topic,
    Fields,
    NotUtf8,
}

fn number_in(params: &str) -> Option<u64> {
    params.strip_prefix("n=")?.split('&').next()?.parse().ok()
}

/// Scatters numbers that lie side by side (the finalizer of SplitMix64).
pub fn mix(number: u64) -> u64 {
    let mut mixed = number.wrapping_add(0x9e37_79b9_7f4a_7c15);
    mixed = (mixed ^ mixed >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ mixed >> 31
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_known_by_its_number_and_by_its_content() {
        let lines = Lines::new(7);
        let good = (0..).find(|&number| !lines.is_bad(number)).unwrap();
        let message = format!("{} ip=1&ts=2 {}", lines.path(good), lines.params(good));
        assert_eq!(lines.number_of_message(lines.topic(good), message.as_bytes()), Some(good));
        assert_eq!(lines.number_of_message("elsewhere", message.as_bytes()), None);
        let stranger = message.replace("check=", "check=0");
        assert_eq!(lines.number_of_message(lines.topic(good), stranger.as_bytes()), None);
        assert_eq!(lines.number_of_rejected(&lines.line(good)), None);
        for bad in (0..20_000).filter(|&number| lines.is_bad(number)) {
            assert_eq!(lines.number_of_rejected(&lines.line(bad)), Some(bad));
        }
    }

    #[test]
    fn bad_and_large_lines_are_few() {
        let lines = Lines::new(7);
        let bad = (0..100_000).filter(|&number| lines.is_bad(number)).count();
        let large = (0..100_000).filter(|&number| lines.line(number).len() > 1000).count();
        assert!((200..800).contains(&bad) && (40..200).contains(&large), "{bad} bad, {large} large");
    }
}
