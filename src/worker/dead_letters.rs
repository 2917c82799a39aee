//! Rejected lines, in Kafka as well: through a producer of their own, before they leave their batch, at least once.

use std::sync::Arc;

use rdkafka::ClientConfig;
use tokio::sync::Mutex;
use tracing::warn;

use super::backoff::Backoff;
use crate::kafka::Publisher;
use crate::kafka::Troubles;
use crate::kafka::at_least_once::{Verdict, judge};
use crate::kafka::publisher::Outgoing;
use crate::queue::slot::Rejected;

/// One batch of rejected lines is under way at a time.
const TALLY: usize = 0;

pub(super) struct DeadLetters {
    topic: String,
    producer: ClientConfig,
    troubles: Arc<Troubles>,
    publisher: Mutex<Option<Publisher>>,
}

impl DeadLetters {
    pub fn new(topic: String, producer: ClientConfig, troubles: Arc<Troubles>) -> Self {
        Self { topic, producer, troubles, publisher: Mutex::new(None) }
    }

    /// Returns when Kafka has the records. It may be dropped: they are then sent again with their batch.
    pub async fn send(&self, rejected: &[Rejected]) {
        let mut publisher = self.publisher.lock().await;
        let mut left: Vec<usize> = (0..rejected.len()).collect();
        let mut backoff = Backoff::new();
        while !left.is_empty() {
            match self.attempt(&mut publisher, rejected, &left).await {
                Ok(failed) => left = failed,
                Err(trouble) => {
                    // Whatever it still holds must not be counted as part of the next attempt.
                    if let Some(publisher) = publisher.take() {
                        publisher.stop().await;
                    }
                    let pause = backoff.pause();
                    if backoff.is_worth_telling() {
                        warn!(topic = self.topic, trouble, "INVALID_TOPIC takes no lines, trying again");
                    }
                    tokio::time::sleep(pause).await;
                }
            }
        }
    }

    /// Sends records; gives those that are to be sent again.
    async fn attempt(
        &self,
        publisher: &mut Option<Publisher>,
        rejected: &[Rejected],
        left: &[usize],
    ) -> Result<Vec<usize>, String> {
        // Taken out: when this is dropped half-way, the producer and its reports go with it.
        let mut running = match publisher.take() {
            Some(running) => running,
            None => Publisher::start(&self.producer, 1, &self.troubles)
                .await
                .map_err(|error| error.to_string())?,
        };
        let mut buffer = Vec::new();
        let mut outgoing = Vec::with_capacity(left.len());
        for &line in left {
            let start = buffer.len();
            buffer.extend_from_slice(rejected[line].record.as_bytes());
            outgoing.push(Outgoing { topic: &self.topic, message: start..buffer.len(), line });
        }
        running.send(TALLY, &Arc::new(buffer), outgoing.into_iter(), || false).await;
        while !running.reports().is_complete(TALLY) {
            running.reports().finished().await;
        }
        let failures = running.reports().take_failures(TALLY);
        let (refused, again): (Vec<_>, Vec<_>) =
            failures.into_iter().partition(|failure| judge(failure.code) == Verdict::Refused);
        if let Some(failure) = refused.first() {
            // Too large for a message, as a rule: the invalid list has it all the same.
            warn!(lines = refused.len(), code = %failure.code, "INVALID_TOPIC refuses lines, leaving them out");
        }
        match again.first() {
            Some(failure) => Err(failure.code.to_string()),
            None => {
                *publisher = Some(running);
                Ok(Vec::new())
            }
        }
    }
}
