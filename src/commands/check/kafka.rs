//! Kafka: reachable, and the topics that were named are there.

use std::io;
use std::sync::Arc;

use super::Report;
use crate::kafka::cluster::{Cluster, NoCluster};
use crate::kafka::exactly_once::{TriedOut, Trouble};
use crate::kafka::permissions::unwritable;
use crate::kafka::topics::Topic;
use crate::kafka::{ExactlyOnce, Publisher, Topics, Troubles};
use crate::queue::Delivery;
use crate::worker::{Settings, is_for_lines, no_topic};

pub(super) async fn check(settings: &Settings, report: &mut Report) -> io::Result<()> {
    let (prefix, own) = (&settings.kafka.kafka_prefix, settings.own_topics());
    let shown: Vec<String> = match Cluster::look(&settings.kafka).await {
        Ok(cluster) => {
            let brokers = cluster.brokers.join(", ");
            let topics = cluster.topics.into_iter().map(|(topic, _)| topic);
            let shown: Vec<String> = topics.filter(|topic| is_for_lines(topic, prefix, &own)).collect();
            match shown.len() {
                0 => report.warn(&format!("kafka: {brokers} answers: {}", no_topic(prefix)))?,
                topics => report.ok(&format!("kafka: {brokers} answers, {topics} topics"))?,
            }
            shown
        }
        Err(NoCluster::Setting(line)) => return report.wrong(&line),
        Err(error @ NoCluster::NoAnswer { .. }) => {
            let error = error.to_string();
            let hint = if error.contains("KAFKA_") { "" } else { ": start it, or mend KAFKA_URL" };
            return report.missing(&format!("{error}{hint}"));
        }
    };
    // As a worker does it, so that what it would find is found here.
    let config = match settings.kafka.producer(1, settings.enrich.message_max_bytes) {
        Ok(config) => config,
        Err(line) => return report.wrong(&line),
    };
    // What they are told of stands in the report.
    let troubles = Arc::new(Troubles::silent());
    match Publisher::start(&config, 1, &troubles).await {
        Ok(publisher) => {
            let checked = check_topics(settings, shown, &publisher, report).await;
            publisher.stop().await;
            checked?;
        }
        Err(error) => return report.wrong(&format!("kafka: {error}")),
    }
    match ExactlyOnce::new(&settings.kafka, &settings.exactly_once, &settings.redis.queue, config, &troubles)
    {
        Ok(exactly_once) => check_exactly_once(settings.delivery, &exactly_once, report).await,
        Err(line) => report.wrong(&line),
    }
}

/// Whoever delivers at least once learns what would be.
async fn check_exactly_once(
    delivery: Delivery,
    exactly_once: &ExactlyOnce,
    report: &mut Report,
) -> io::Result<()> {
    let is_wanted = delivery == Delivery::ExactlyOnce;
    match exactly_once.try_out(is_wanted).await {
        Ok(TriedOut::Committed) => {
            report.ok("kafka: it allows exactly-once, a transaction was committed and its offset read back")
        }
        Ok(TriedOut::TopicAbsent { topic }) => {
            report.ok(&format!("kafka: it allows transactions; exactly-once needs the topic {topic} as well"))
        }
        Err(trouble) if !is_wanted => report.ok(&format!("kafka: exactly-once would not work: {trouble}")),
        Err(Trouble::NotPermitted(line)) => report.wrong(&line),
        Err(trouble) => report.missing(&format!(
            "kafka: no transaction can be committed: {trouble}: are there as many brokers as \
             transaction.state.log.replication.factor asks for?"
        )),
    }
}

/// `shown` are the topics that lines could name.
async fn check_topics(
    settings: &Settings,
    shown: Vec<String>,
    publisher: &Publisher,
    report: &mut Report,
) -> io::Result<()> {
    let prefix = &settings.kafka.kafka_prefix;
    let allowed = settings.enrich.allowed_topics().into_iter().flatten();
    let mut named: Vec<(&str, String)> =
        allowed.map(|topic| ("KAFKA_TOPICS", format!("{prefix}{topic}"))).collect();
    named.extend(settings.invalid_topic().map(|topic| ("INVALID_TOPIC", topic)));
    let names: Vec<String> = named.iter().map(|(_, topic)| topic.clone()).collect();
    let found = match Topics::default().look_up(publisher, &names).await {
        Ok(found) => found,
        Err(error) => return report.missing(&format!("kafka: topics cannot be looked up: {error}")),
    };
    let any_may_be_named = settings.enrich.allowed_topics().is_none();
    let asked = if any_may_be_named { [shown, names].concat() } else { names };
    let unwritable = unwritable(publisher, &asked).await;
    for ((variable, topic), found) in named.iter().zip(found) {
        match found {
            Topic::Writable if unwritable.contains(topic) => {
                report.wrong(&format!(
                    "{variable}: topic {topic}: this user may not write to it: grant it Write"
                ))?;
            }
            Topic::Writable => report.ok(&format!("kafka: topic {topic} is there"))?,
            Topic::Stray(why) => {
                report.wrong(&format!(
                    "{variable}: topic {topic}: {why}: create it, or let this user see it"
                ))?;
            }
        }
    }
    if any_may_be_named && !unwritable.is_empty() {
        let topics = unwritable.join(", ");
        report.warn(&format!(
            "kafka: this user may not write to {topics}: lines that name them are rejected"
        ))?;
    }
    Ok(())
}
