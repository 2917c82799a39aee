//! Which topics can be written to. librdkafka would hold messages for an unknown topic up to 30 seconds, and one stray
//! topic would hold up the rest; so topics are looked up before anything is sent.

use std::collections::{HashMap, HashSet};
use std::sync::{PoisonError, RwLock};
use std::time::Duration;

use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::producer::Producer;
use tokio::sync::Mutex;
use tokio::time::Instant;

use super::publisher::{Publisher, blocking};

/// How long Kafka may take to tell its topics.
const METADATA_TIMEOUT: Duration = Duration::from_secs(5);
/// How long a stray topic is known as one.
const STRAY_FOR: Duration = Duration::from_secs(30);
/// How long absent topics get to appear: the broker may create them when it is asked.
const GRACE: Duration = Duration::from_secs(1);
const GRACE_STEP: Duration = Duration::from_millis(100);
/// How many absent topics are asked for by name in one grace.
const GRACE_TOPICS: usize = 20;
/// A list of all topics as young as this serves again.
const LISTING_AGE: Duration = Duration::from_secs(1);

/// What is known of a topic.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Topic {
    Writable,
    /// Absent or not permitted, and Kafka's words for that.
    Stray(String),
}

/// The topics as all lanes of a worker know them.
#[derive(Default)]
pub struct Topics {
    known: RwLock<HashMap<String, (Topic, Instant)>>,
    look_up: Mutex<LookUp>,
}

#[derive(Default)]
struct LookUp {
    listing: Option<(HashSet<String>, Instant)>,
    grace_at: Option<Instant>,
}

impl Topics {
    /// What is known of each of `names`; those that are not known are asked for together.
    ///
    /// # Errors
    /// When Kafka does not answer, or refuses us altogether.
    pub async fn look_up(&self, publisher: &Publisher, names: &[String]) -> Result<Vec<Topic>, KafkaError> {
        if let Some(known) = self.all_known(names) {
            return Ok(known);
        }
        let mut look_up = self.look_up.lock().await;
        // Another lane may have asked meanwhile.
        let mut unknown: Vec<&String> = names.iter().filter(|name| self.known(name).is_none()).collect();
        if !unknown.is_empty() {
            let listing = look_up.listing(publisher).await?;
            unknown.retain(|name| {
                let is_listed = listing.contains(*name);
                if is_listed {
                    self.learn(name, Topic::Writable);
                }
                !is_listed
            });
        }
        if !unknown.is_empty() {
            self.ask_by_name(publisher, &mut look_up, &unknown).await?;
        }
        Ok(self.all_known(names).expect("each was learned just now"))
    }

    /// Says whether we are shown any topic that is one of those.
    ///
    /// # Errors
    /// When Kafka does not answer.
    pub async fn has_any(
        &self,
        publisher: &Publisher,
        is_one: impl Fn(&str) -> bool,
    ) -> Result<bool, KafkaError> {
        let mut look_up = self.look_up.lock().await;
        let listing = look_up.listing(publisher).await?;
        Ok(listing.iter().any(|topic| is_one(topic)))
    }

    /// Takes a topic for a stray one, because Kafka said so of a message.
    pub fn refuse(&self, name: &str, code: RDKafkaErrorCode) {
        self.learn(name, Topic::Stray(code.to_string()));
    }

    /// Has a topic looked up again.
    pub fn forget(&self, name: &str) {
        self.known.write().unwrap_or_else(PoisonError::into_inner).remove(name);
    }

    /// Has topics that are not writable looked up again, whatever was found before.
    pub async fn forget_strays(&self) {
        self.known
            .write()
            .unwrap_or_else(PoisonError::into_inner)
            .retain(|_, (topic, _)| *topic == Topic::Writable);
        // Asked for by name they are as rarely as ever: each time is an attempt to create them.
        self.look_up.lock().await.listing = None;
    }

    async fn ask_by_name(
        &self,
        publisher: &Publisher,
        look_up: &mut LookUp,
        absent: &[&String],
    ) -> Result<(), KafkaError> {
        let may_wait = look_up.grace_at.is_none_or(|at| at.elapsed() >= STRAY_FOR);
        let mut left: Vec<&String> = absent.to_vec();
        if may_wait {
            look_up.grace_at = Some(Instant::now());
            look_up.listing = None;
            let end = Instant::now() + GRACE;
            let mut asked: Vec<&String> = left.drain(..left.len().min(GRACE_TOPICS)).collect();
            loop {
                let mut still_absent = Vec::new();
                for name in asked {
                    match ask(publisher, name).await? {
                        Topic::Writable => self.learn(name, Topic::Writable),
                        stray if Instant::now() >= end => self.learn(name, stray),
                        Topic::Stray(_) => still_absent.push(name),
                    }
                }
                if still_absent.is_empty() {
                    break;
                }
                asked = still_absent;
                tokio::time::sleep(GRACE_STEP).await;
            }
        }
        for name in left {
            self.learn(name, Topic::Stray(RDKafkaErrorCode::UnknownTopicOrPartition.to_string()));
        }
        Ok(())
    }

    fn all_known(&self, names: &[String]) -> Option<Vec<Topic>> {
        names.iter().map(|name| self.known(name)).collect()
    }

    fn known(&self, name: &str) -> Option<Topic> {
        let known = self.known.read().unwrap_or_else(PoisonError::into_inner);
        let (topic, learned_at) = known.get(name)?;
        (*topic == Topic::Writable || learned_at.elapsed() < STRAY_FOR).then(|| topic.clone())
    }

    fn learn(&self, name: &str, topic: Topic) {
        let mut known = self.known.write().unwrap_or_else(PoisonError::into_inner);
        // Anyone can make up names: those that have run out go before another comes.
        known.retain(|_, (topic, at)| *topic == Topic::Writable || at.elapsed() < STRAY_FOR);
        known.insert(name.to_owned(), (topic, Instant::now()));
    }
}

impl LookUp {
    async fn listing(&mut self, publisher: &Publisher) -> Result<&HashSet<String>, KafkaError> {
        let is_fresh = self.listing.as_ref().is_some_and(|(_, at)| at.elapsed() < LISTING_AGE);
        if !is_fresh {
            self.listing = Some((list(publisher).await?, Instant::now()));
        }
        Ok(&self.listing.as_ref().expect("it was set just now").0)
    }
}

/// All topics that we are shown.
///
/// # Errors
/// When Kafka does not answer.
pub async fn list(publisher: &Publisher) -> Result<HashSet<String>, KafkaError> {
    let client = publisher.client().clone();
    blocking(move || {
        let metadata = client.client().fetch_metadata(None, METADATA_TIMEOUT)?;
        let writable = metadata.topics().iter().filter(|topic| topic.error().is_none());
        Ok(writable.map(|topic| topic.name().to_owned()).collect())
    })
    .await
}

/// Asks for one topic by its name, upon which a broker may create it.
async fn ask(publisher: &Publisher, name: &str) -> Result<Topic, KafkaError> {
    let client = publisher.client().clone();
    let name = name.to_owned();
    blocking(move || {
        let metadata = client.client().fetch_metadata(Some(&name), METADATA_TIMEOUT)?;
        let code = match metadata.topics().first() {
            Some(topic) => topic.error().map(RDKafkaErrorCode::from),
            None => Some(RDKafkaErrorCode::UnknownTopicOrPartition),
        };
        Ok(code.map_or(Topic::Writable, |code| Topic::Stray(code.to_string())))
    })
    .await
}
