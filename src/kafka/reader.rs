//! Reads topics without a group: nothing is committed, no other reader is disturbed. Topics and partitions that come
//! up meanwhile are read from their beginning.

use std::collections::HashSet;
use std::time::{Duration, Instant};

use rdkafka::consumer::Consumer as _;
use rdkafka::error::KafkaError;
use rdkafka::message::Message as _;
use rdkafka::{Offset, TopicPartitionList};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tracing::{debug, warn};

use super::cluster::{ANSWER_TIMEOUT, Cluster, NoCluster, Visitor};
use super::publisher::blocking;
use super::settings::Settings;

/// How often to look for new topics and partitions.
const REFRESH: Duration = Duration::from_secs(2);
const ASSIGN_AGAIN: Duration = Duration::from_millis(200);
const POLL: Duration = Duration::from_millis(100);
/// Messages that were read and that nobody has taken yet.
const READ_AHEAD: usize = 1000;

/// Which topics are read.
#[derive(Debug, Clone)]
pub struct Wanted {
    prefix: String,
    names: Vec<String>,
}

impl Wanted {
    /// The topics of these names, or all that begin with `prefix` where there are none; Kafka's internal ones aside.
    /// The names themselves are without the prefix.
    pub fn new(prefix: &str, names: &[String]) -> Self {
        Self { prefix: prefix.to_owned(), names: names.to_vec() }
    }

    fn includes(&self, topic: &str) -> bool {
        let Some(bare) = topic.strip_prefix(&self.prefix) else { return false };
        if self.names.is_empty() {
            !topic.starts_with("__")
        } else {
            self.names.iter().any(|name| name == bare)
        }
    }
}

/// Where reading begins in the partitions that are there at first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Start {
    Beginning,
    End,
}

/// One message as it stands in Kafka.
#[derive(Debug, Clone)]
pub struct Record {
    pub topic: String,
    pub partition: i32,
    pub offset: i64,
    pub payload: Vec<u8>,
}

/// A running reader; it ends when it is dropped.
pub struct Reader {
    records: mpsc::Receiver<Record>,
    reading: JoinHandle<()>,
}

impl Reader {
    /// Returns once it is settled where reading begins, with the topics found: all that is written after that is read.
    ///
    /// # Errors
    /// When a setting is wrong, or Kafka does not answer within ten seconds.
    pub async fn start(
        settings: &Settings,
        wanted: Wanted,
        start: Start,
    ) -> Result<(Self, Vec<String>), NoCluster> {
        let settings = settings.clone();
        let (source, topics) = blocking(move || {
            let visitor = Visitor::new(&settings)?;
            let cluster = visitor.first_look()?;
            let mut source = Source { visitor, wanted, assigned: HashSet::new() };
            let deadline = Instant::now() + ANSWER_TIMEOUT;
            while let Err(error) = source.assign_new(&cluster, start) {
                // A topic that was made just now may have no leader yet.
                if Instant::now() > deadline {
                    return Err(NoCluster::NoAnswer { brokers: settings.brokers(), why: error.to_string() });
                }
                std::thread::sleep(ASSIGN_AGAIN);
            }
            let topics = cluster.topics.into_iter().map(|(topic, _)| topic);
            let topics = topics.filter(|topic| source.wanted.includes(topic)).collect();
            Ok((source, topics))
        })
        .await?;
        let (sender, records) = mpsc::channel(READ_AHEAD);
        let reading = tokio::task::spawn_blocking(move || source.read(&sender));
        Ok((Self { records, reading }, topics))
    }

    /// The next message. It may be dropped at any time.
    pub async fn next(&mut self) -> Option<Record> {
        self.records.recv().await
    }

    /// Ends it, and returns once it has: from then on it does not miss Kafka.
    pub async fn stop(self) {
        drop(self.records);
        self.reading.await.expect("to read never panics");
    }
}

/// Reads on a thread of its own, since librdkafka's calls block.
struct Source {
    visitor: Visitor,
    wanted: Wanted,
    assigned: HashSet<(String, i32)>,
}

impl Source {
    fn read(mut self, records: &mpsc::Sender<Record>) {
        let mut looked_at = Instant::now();
        while !records.is_closed() {
            if looked_at.elapsed() >= REFRESH {
                looked_at = Instant::now();
                self.refresh();
            }
            match self.visitor.consumer.poll(POLL) {
                None => {}
                // The client has told of it, and goes on by itself.
                Some(Err(error)) => debug!(%error, "not read"),
                Some(Ok(message)) => {
                    let record = Record {
                        topic: message.topic().to_owned(),
                        partition: message.partition(),
                        offset: message.offset(),
                        payload: message.payload().unwrap_or_default().to_vec(),
                    };
                    if records.blocking_send(record).is_err() {
                        return;
                    }
                }
            }
        }
    }

    fn refresh(&mut self) {
        let refreshed = self.visitor.look().and_then(|cluster| self.assign_new(&cluster, Start::Beginning));
        if let Err(error) = refreshed {
            debug!(%error, "new topics were not looked for");
        }
    }

    /// Has partitions read that were not there before.
    fn assign_new(&mut self, cluster: &Cluster, start: Start) -> Result<(), KafkaError> {
        let wanted = cluster.topics.iter().filter(|(topic, _)| self.wanted.includes(topic));
        let partitions = wanted
            .flat_map(|(topic, partitions)| partitions.iter().map(|&partition| (topic.clone(), partition)));
        let new: Vec<(String, i32)> =
            partitions.filter(|partition| !self.assigned.contains(partition)).collect();
        if new.is_empty() {
            return Ok(());
        }
        let mut list = TopicPartitionList::with_capacity(new.len());
        let offset = match start {
            Start::Beginning => Offset::Beginning,
            Start::End => Offset::End,
        };
        for (topic, partition) in &new {
            list.add_partition_offset(topic, *partition, offset)?;
        }
        if start == Start::End {
            // The end is where it is now, not where it will be when the first fetch gets there.
            list = self.visitor.consumer.offsets_for_times(list, ANSWER_TIMEOUT)?;
            for element in list.elements() {
                if let Err(error) = element.error() {
                    warn!(topic = element.topic(), %error, "the end of the topic is not known");
                }
            }
        }
        self.visitor.consumer.incremental_assign(&list)?;
        self.assigned.extend(new);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn internal_topics_are_read_only_where_they_are_named() {
        let all = Wanted::new("", &[]);
        assert!(all.includes("clicks") && !all.includes("__consumer_offsets"));
        let named = Wanted::new("", &["clicks".to_owned()]);
        assert!(named.includes("clicks") && !named.includes("inapp"));
    }

    #[test]
    fn topics_are_named_without_the_prefix() {
        let all = Wanted::new("acme.", &[]);
        assert!(all.includes("acme.clicks") && !all.includes("clicks"));
        let named = Wanted::new("acme.", &["clicks".to_owned()]);
        assert!(named.includes("acme.clicks") && !named.includes("clicks") && !named.includes("acme.inapp"));
    }
}
