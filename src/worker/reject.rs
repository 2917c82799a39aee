//! Lines that cannot be delivered leave their batch: for the invalid list, and for Kafka where that is wanted.

use std::sync::Arc;

use tracing::warn;

use super::backoff::Backoff;
use super::draft::Draft;
use super::lane::{Ended, Lane};
use crate::kafka::topics::Topic;
use crate::queue::Batch;
use crate::stats::Counter;

impl Lane {
    /// Rejects lines whose topic is stray. A topic that was named, or delivered to before, is a wrong setting and no
    /// bad line, and so it is where we are shown no topic at all: then it waits for someone to mend it, and moves nothing.
    pub(super) async fn reject_strays<'a>(
        &mut self,
        draft: &mut Draft,
        raw: impl Fn(usize) -> Option<&'a [u8]>,
    ) -> Result<(), Ended> {
        let mut backoff = Backoff::new();
        loop {
            let names = draft.topics();
            let trouble = match self.worker.topics.look_up(&self.publisher, &names).await {
                Ok(found) => {
                    let strays = names.into_iter().zip(found).filter_map(|(name, topic)| match topic {
                        Topic::Writable => None,
                        Topic::Stray(detail) => Some((name, detail)),
                    });
                    match self.wrong_setting(strays.collect(), draft, &raw).await? {
                        None => return Ok(()),
                        Some(trouble) => {
                            self.worker.topics.forget_strays().await;
                            trouble
                        }
                    }
                }
                Err(error) => error.to_string(),
            };
            let pause = backoff.pause();
            if backoff.is_worth_telling() {
                warn!(trouble, "kafka is not as it should be, lines wait in redis");
            }
            self.pause(pause).await?;
        }
    }

    /// Rejects the lines of stray topics, unless one of them should be there: then says which.
    async fn wrong_setting<'a>(
        &mut self,
        strays: Vec<(String, String)>,
        draft: &mut Draft,
        raw: impl Fn(usize) -> Option<&'a [u8]>,
    ) -> Result<Option<String>, Ended> {
        if strays.is_empty() {
            return Ok(None);
        }
        let names: Vec<String> = strays.iter().map(|(name, _)| name.clone()).collect();
        let known = self.persist("topics", async |slot| slot.delivered_before(&names).await).await?;
        let worker = Arc::clone(&self.worker);
        let is_named = |name: &str| {
            let bare = name.strip_prefix(&worker.topic_prefix).unwrap_or(name);
            worker.enricher.allowed_topics().as_ref().is_some_and(|allowed| allowed.contains(bare))
        };
        for ((name, detail), was_delivered_to) in strays.iter().zip(known) {
            if was_delivered_to || is_named(name) {
                return Ok(Some(format!("topic {name}: {detail}")));
            }
        }
        let is_for_lines = |topic: &str| is_for_lines(topic, &worker.topic_prefix, &worker.own_topics);
        match worker.topics.has_any(&self.publisher, is_for_lines).await {
            Ok(true) => {}
            Ok(false) => return Ok(Some(no_topic(&worker.topic_prefix))),
            Err(error) => return Ok(Some(error.to_string())),
        }
        worker.tell_of_strays(&strays);
        for (name, detail) in &strays {
            draft.reject_topic(name, detail, &raw);
        }
        Ok(None)
    }

    /// Moves rejected lines to the invalid list, and into Kafka before that where it is wanted.
    pub(super) async fn move_rejected(&mut self, batch: &Batch, draft: &mut Draft) -> Result<(), Ended> {
        let rejected = draft.take_rejected();
        if rejected.is_empty() {
            return Ok(());
        }
        let worker = Arc::clone(&self.worker);
        if let Some(dead_letters) = &worker.dead_letters {
            self.unless_over(dead_letters.send(&rejected)).await?;
        }
        let moved = self.persist("reject", async |slot| slot.reject(batch, &rejected).await).await?;
        self.stats.count(Counter::Rejected, moved.lines);
        if moved.dropped > 0 {
            warn!(dropped = moved.dropped, "the invalid list is full, its oldest lines are gone");
        }
        Ok(())
    }
}

/// Whether lines could go to a topic: not to Kafka's own, nor to ours.
pub(crate) fn is_for_lines(topic: &str, prefix: &str, own_topics: &[String]) -> bool {
    topic.starts_with(prefix) && !topic.starts_with("__") && !own_topics.iter().any(|own| own == topic)
}

/// What to do where Kafka shows no topic that lines could go to.
pub(crate) fn no_topic(prefix: &str) -> String {
    let begins = if prefix.is_empty() { String::new() } else { format!(" that begins with {prefix}") };
    format!(
        "this user is shown no topic{begins}: create those that lines name, or grant it Write and Describe on them"
    )
}
