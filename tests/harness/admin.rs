//! Topics, made and deleted by librdkafka's admin calls.

use std::time::Duration;

use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, TopicReplication};
use rdkafka::client::DefaultClientContext;
use tokio::runtime::Runtime;

use super::kafka::client_config;
use super::{READY_TIMEOUT, wait_until};

/// Whoever may do everything on the brokers at an address.
pub(super) struct Admin {
    client: AdminClient<DefaultClientContext>,
    runtime: Runtime,
}

impl Admin {
    pub fn new(bootstrap: &str) -> Admin {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        Admin {
            client: client_config(bootstrap).create().expect("the settings are valid"),
            runtime: runtime.expect("a runtime needs nothing special"),
        }
    }

    /// Creates a topic, and returns when it can be written to.
    #[track_caller]
    pub fn create_topic(&self, name: &str, partitions: i32, replicas: i32, configuration: &[(&str, &str)]) {
        let mut topic = NewTopic::new(name, partitions, TopicReplication::Fixed(replicas));
        for (key, value) in configuration {
            topic = topic.set(key, value);
        }
        let created = self.runtime.block_on(self.client.create_topics([&topic], &options()));
        let results = created.unwrap_or_else(|error| panic!("creating {name}: {error}"));
        assert!(results.iter().all(Result::is_ok), "creating {name}: {results:?}");
        let what = format!("topic {name} has {partitions} partitions with a leader");
        wait_until(READY_TIMEOUT, &what, || self.writable_partitions(name) == partitions);
    }

    /// Deletes a topic, and returns when the broker no longer shows it.
    #[track_caller]
    pub fn delete_topic(&self, name: &str) {
        let deleted = self.runtime.block_on(self.client.delete_topics(&[name], &options()));
        let results = deleted.unwrap_or_else(|error| panic!("deleting {name}: {error}"));
        assert!(results.iter().all(Result::is_ok), "deleting {name}: {results:?}");
        wait_until(READY_TIMEOUT, &format!("topic {name} is gone"), || self.writable_partitions(name) == 0);
    }

    /// Returns how many brokers the cluster shows.
    pub fn brokers(&self) -> usize {
        let metadata = self.client.inner().fetch_metadata(None, Duration::from_secs(5));
        metadata.map_or(0, |metadata| metadata.brokers().len())
    }

    fn writable_partitions(&self, topic: &str) -> i32 {
        let metadata = self.client.inner().fetch_metadata(Some(topic), Duration::from_secs(5));
        let Ok(metadata) = metadata else { return -1 };
        let partitions = metadata.topics().iter().flat_map(|found| found.partitions());
        partitions.filter(|partition| partition.error().is_none() && partition.leader() >= 0).count() as i32
    }
}

fn options() -> AdminOptions {
    AdminOptions::new()
        .operation_timeout(Some(Duration::from_secs(30)))
        .request_timeout(Some(Duration::from_secs(30)))
}
