//! librdkafka's mock cluster: a Kafka of one broker inside this process, which forgets everything at its end.

use std::sync::mpsc;
use std::thread::JoinHandle;

use rdkafka::mocking::MockCluster;

/// Where the sample traffic goes.
const TOPICS: [&str; 2] = ["clicks", "inapp"];
const PARTITIONS: i32 = 2;

pub(super) struct MockKafka {
    brokers: String,
    /// Dropped to end the cluster.
    running: Option<mpsc::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl MockKafka {
    /// Starts it, on a thread that keeps it: it may not leave the one that made it.
    pub fn start(prefix: &str, offsets_topic: &str) -> Result<Self, String> {
        let (running, until_dropped) = mpsc::channel::<()>();
        let (ready, started) = mpsc::channel();
        let partitioned = TOPICS.map(|topic| (format!("{prefix}{topic}"), PARTITIONS));
        let offsets = (format!("{prefix}{offsets_topic}"), 1);
        let thread = std::thread::spawn(move || {
            let cluster = start(partitioned.iter().chain([&offsets]));
            let brokers = cluster.as_ref().map(MockCluster::bootstrap_servers).map_err(ToString::to_string);
            if ready.send(brokers).is_ok() {
                while until_dropped.recv().is_ok() {}
            }
        });
        let brokers = started.recv().map_err(|error| error.to_string())??;
        Ok(Self { brokers, running: Some(running), thread: Some(thread) })
    }

    pub fn brokers(&self) -> &str {
        &self.brokers
    }
}

fn start<'a>(
    topics: impl Iterator<Item = &'a (String, i32)>,
) -> Result<MockCluster<'static, rdkafka::producer::DefaultProducerContext>, rdkafka::error::KafkaError> {
    let cluster = MockCluster::new(1)?;
    for (topic, partitions) in topics {
        cluster.create_topic(topic, *partitions, 1)?;
    }
    Ok(cluster)
}

impl Drop for MockKafka {
    fn drop(&mut self) {
        self.running = None;
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            tracing::warn!("the mock cluster ended badly");
        }
    }
}
