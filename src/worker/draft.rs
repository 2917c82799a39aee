//! A batch enriched: its messages in one buffer, and the lines that are to be rejected.

use std::ops::Range;
use std::sync::Arc;

use super::epoch_seconds;
use crate::enrich::{DeviceCache, Enricher};
use crate::kafka::publisher::Outgoing;
use crate::payload::{Reason, Rejection};
use crate::queue::invalid::Record;
use crate::queue::slot::{Rejected, TopicCount};

/// A line that is to be sent.
#[derive(Debug)]
struct Line {
    /// Its place in the batch.
    index: usize,
    /// Its topic's place among the draft's topics.
    topic: usize,
    /// Where its message stands in the buffer.
    message: Range<usize>,
    /// Rejected after all: its topic is stray, or Kafka refused it.
    is_rejected: bool,
}

/// What all lines of a batch are enriched with.
pub struct Enriching<'a> {
    pub enricher: &'a Enricher,
    pub cache: &'a mut DeviceCache,
    /// Stands before the name of every topic.
    pub prefix: &'a str,
    /// In seconds since 1970.
    pub reserved_at: i64,
}

#[derive(Debug, Default)]
pub struct Draft {
    /// Shared with librdkafka while it is under way.
    messages: Arc<Vec<u8>>,
    lines: Vec<Line>,
    /// Names with their prefix.
    topics: Vec<String>,
    rejected: Vec<Rejected>,
}

impl Draft {
    /// Takes the memory of a draft that is done with: fresh pages cost more than what is written to them.
    pub fn reusing(done: Self) -> Self {
        let Self { messages, mut lines, .. } = done;
        let mut messages = Arc::unwrap_or_clone(messages);
        messages.clear();
        lines.clear();
        Self { messages: Arc::new(messages), lines, ..Self::default() }
    }

    /// Enriches one line.
    pub fn add(&mut self, enriching: &mut Enriching<'_>, index: usize, raw: &[u8]) {
        let messages = Arc::make_mut(&mut self.messages);
        let start = messages.len();
        let Enriching { enricher, cache, prefix, reserved_at } = enriching;
        match enricher.enrich(cache, raw, *reserved_at, messages) {
            Ok(topic) => {
                let message = start..messages.len();
                let topic = self.topic(prefix, topic);
                self.lines.push(Line { index, topic, message, is_rejected: false });
            }
            Err(rejection) => self.add_rejected(index, &rejection, raw),
        }
    }

    /// Adds a line that is rejected whatever it holds.
    pub fn add_rejected(&mut self, index: usize, rejection: &Rejection, raw: &[u8]) {
        let record = Record::new(rejection, epoch_seconds(), raw).to_json();
        self.rejected.push(Rejected { index, reason: rejection.reason, record });
    }

    /// A batch names few topics: a look along them is quicker than a hash. (All of them have the prefix; to compare it, as
    /// `strip_prefix` does, takes 150 ns where it is empty: glibc then reads nothing from no address, which faults.)
    fn topic(&mut self, prefix: &str, name: &str) -> usize {
        let known = self.topics.iter().position(|known| &known[prefix.len()..] == name);
        known.unwrap_or_else(|| {
            self.topics.push(format!("{prefix}{name}"));
            self.topics.len() - 1
        })
    }

    /// The topics that lines still go to.
    pub fn topics(&self) -> Vec<String> {
        let mut is_used = vec![false; self.topics.len()];
        for line in self.lines.iter().filter(|line| !line.is_rejected) {
            is_used[line.topic] = true;
        }
        let used = self.topics.iter().zip(is_used).filter(|(_, is_used)| *is_used);
        used.map(|(topic, _)| topic.clone()).collect()
    }

    /// Rejects all lines of a topic. `raw` gives a line as the tracker pushed it, by its place in the batch.
    pub fn reject_topic<'a>(&mut self, name: &str, detail: &str, raw: impl Fn(usize) -> Option<&'a [u8]>) {
        let places: Vec<usize> =
            (0..self.lines.len()).filter(|&line| self.topics[self.lines[line].topic] == name).collect();
        for line in places {
            self.reject_line(line, &format!("topic {name}: {detail}"), &raw);
        }
    }

    /// Rejects the line at a place among the draft's lines.
    pub fn reject_line<'a>(&mut self, line: usize, detail: &str, raw: impl Fn(usize) -> Option<&'a [u8]>) {
        let index = self.lines[line].index;
        if self.lines[line].is_rejected {
            return;
        }
        self.lines[line].is_rejected = true;
        // A line that is gone from Redis has nothing left to reject.
        if let Some(raw) = raw(index) {
            self.add_rejected(index, &Rejection::new(Reason::Kafka, detail), raw);
        }
    }

    /// Rejected lines that have not been moved to the invalid list yet.
    pub fn take_rejected(&mut self) -> Vec<Rejected> {
        std::mem::take(&mut self.rejected)
    }

    /// Places of all lines that are to be sent.
    pub fn to_send(&self) -> Vec<usize> {
        (0..self.lines.len()).filter(|&line| !self.lines[line].is_rejected).collect()
    }

    pub fn is_to_send(&self, line: usize) -> bool {
        !self.lines[line].is_rejected
    }

    /// The topic of a line, with its prefix.
    pub fn topic_of(&self, line: usize) -> &str {
        &self.topics[self.lines[line].topic]
    }

    /// What all messages stand in.
    pub fn messages(&self) -> &Arc<Vec<u8>> {
        &self.messages
    }

    /// A line as it goes to Kafka.
    pub fn outgoing(&self, line: usize) -> Outgoing<'_> {
        Outgoing { topic: self.topic_of(line), message: self.lines[line].message.clone(), line }
    }

    /// How many lines and bytes went to each topic, those that were rejected left out.
    pub fn by_topic(&self) -> Vec<TopicCount> {
        let count = |topic: &String| TopicCount { topic: topic.clone(), lines: 0, bytes: 0 };
        let mut counts: Vec<TopicCount> = self.topics.iter().map(count).collect();
        for line in self.lines.iter().filter(|line| !line.is_rejected) {
            counts[line.topic].lines += 1;
            counts[line.topic].bytes += line.message.len() as u64;
        }
        counts.retain(|count| count.lines > 0);
        counts
    }

    /// Up to `most` of the messages that were sent, evenly spread: topic, message, and how many lines each stands for.
    pub fn sample(&self, most: usize) -> impl Iterator<Item = (&str, &[u8], u64)> {
        let sent = self.to_send();
        let chosen = sent.len().min(most);
        (0..chosen).map(move |at| {
            let (first, end) = (at * sent.len() / chosen, (at + 1) * sent.len() / chosen);
            let Outgoing { topic, message, .. } = self.outgoing(sent[first]);
            (topic, &self.messages[message], (end - first) as u64)
        })
    }

    pub fn bytes(&self) -> usize {
        self.messages.len()
    }
}
