//! Which partition messages without a key go to.
//!
//! librdkafka 2.12 has one record batch of a partition under way at a time, and while messages wait behind it for longer
//! than `linger.ms` its thread spins. So messages are handed over in chunks, and each chunk goes to a partition that
//! has nothing under way: it waits a while for one, and takes what has least otherwise, in turn.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use rdkafka::producer::Partitioner;

/// The partitions of each topic, as one producer uses them.
#[derive(Default)]
pub struct Partitions {
    topics: Mutex<HashMap<String, Use>>,
}

#[derive(Default)]
struct Use {
    /// How many the topic has; nothing before the first message.
    count: Option<i32>,
    /// Where the last chunk went.
    last: Option<i32>,
    /// One entry for each chunk under way.
    busy: Vec<i32>,
}

impl Partitions {
    /// Has the next message of `topic` go to another partition than those, if possible; says whether it is, as far as
    /// is known.
    pub(super) fn avoid(&self, topic: &str, busy: Vec<i32>) -> bool {
        let mut topics = self.lock();
        let known = topics.entry(topic.to_owned()).or_default();
        known.busy = busy;
        known.count.is_none_or(|count| (0..count).any(|partition| !known.busy.contains(&partition)))
    }

    /// Where the last chunk of `topic` went; nothing before the first message whose partitions were known.
    pub(super) fn last(&self, topic: &str) -> Option<i32> {
        self.lock().get(topic)?.last
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<String, Use>> {
        self.topics.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Partitioner for Partitions {
    fn partition(
        &self,
        topic: &str,
        _key: Option<&[u8]>,
        count: i32,
        is_available: impl Fn(i32) -> bool,
    ) -> i32 {
        let mut topics = self.lock();
        let Use { count: known, last, busy } = topics.entry(topic.to_owned()).or_default();
        *known = Some(count);
        // Producers that start together are not to follow each other.
        let before = last.unwrap_or_else(|| rand::random_range(0..count));
        let next = (1..=count).map(|step| (before + step) % count);
        let chosen = next
            .filter(|&partition| is_available(partition))
            .min_by_key(|partition| busy.iter().filter(|busy| *busy == partition).count());
        let chosen = chosen.unwrap_or((before + 1) % count);
        *last = Some(chosen);
        chosen
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chosen(partitions: &Partitions, is_available: impl Fn(i32) -> bool) -> i32 {
        partitions.partition("clicks", None, 4, is_available)
    }

    #[test]
    fn partitions_are_used_in_turn() {
        let partitions = Partitions::default();
        let mut used: Vec<i32> = (0..4).map(|_| chosen(&partitions, |_| true)).collect();
        assert_eq!(partitions.last("clicks"), used.last().copied());
        used.sort_unstable();
        assert_eq!(used, [0, 1, 2, 3]);
    }

    #[test]
    fn a_partition_with_something_under_way_is_left_alone_while_another_has_nothing() {
        let partitions = Partitions::default();
        assert!(partitions.avoid("clicks", vec![0, 1, 3]));
        assert_eq!(chosen(&partitions, |_| true), 2);
        assert!(!partitions.avoid("clicks", vec![0, 0, 1, 2, 2, 3, 3]));
        assert_eq!(chosen(&partitions, |_| true), 1);
    }

    #[test]
    fn a_partition_without_a_leader_is_used_only_where_none_has_one() {
        let partitions = Partitions::default();
        partitions.avoid("clicks", vec![1]);
        assert_eq!(chosen(&partitions, |partition| partition == 1), 1);
        assert!((0..4).contains(&chosen(&partitions, |_| false)));
    }
}
