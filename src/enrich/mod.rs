//! Payload to message: device from the user agent, country from the address. No network.
//!
//! - [`settings`]: which database, which topics, how large a message may be
//! - [`country`]: the country of an address
//! - [`device`]: what a user agent says, one engine a file

pub mod country;
pub mod device;
pub mod settings;

use std::sync::Arc;

use quick_cache::Weighter;
use quick_cache::sync::Cache;

use crate::message::{self, DeviceMeta};
use crate::payload::{AllowedTopics, Payload, Reason, Rejection, join_words};
use country::{CountryCode, CountryDatabase};
use device::Device;
use device::woothee::Woothee;

pub use settings::Settings;

/// Only so much of a user agent is looked at.
const USER_AGENT_MAX_BYTES: usize = 2048;
/// Memory for the answers to user agents seen lately.
const CACHE_BYTES: u64 = 8 * 1024 * 1024;
/// How many answers that is about.
const CACHE_ITEMS: usize = 20_000;
/// What an entry of the cache takes beside its texts.
const CACHE_ENTRY_BYTES: usize = 160;

/// Makes messages of payloads; shared by all lanes.
pub struct Enricher {
    countries: CountryDatabase,
    engine: Woothee,
    cache: Cache<Box<[u8]>, Arc<DeviceMeta>, ByBytes>,
    allowed_topics: AllowedTopics,
    message_max_bytes: usize,
}

/// A line with all that became of it.
#[derive(Debug)]
pub struct Explained<'a> {
    pub payload: Payload<'a>,
    pub device: Device,
    pub country: Option<CountryCode>,
}

#[derive(Clone)]
struct ByBytes;

impl Weighter<Box<[u8]>, Arc<DeviceMeta>> for ByBytes {
    fn weight(&self, user_agent: &Box<[u8]>, meta: &Arc<DeviceMeta>) -> u64 {
        (user_agent.len() + meta.heap_bytes() + CACHE_ENTRY_BYTES) as u64
    }
}

impl Enricher {
    /// Opens the country database.
    ///
    /// # Errors
    /// A plain line that names the variable to mend.
    pub fn new(settings: &Settings) -> Result<Self, String> {
        Ok(Self {
            countries: settings.open_country_database()?,
            engine: Woothee::new(),
            cache: Cache::with_weighter(CACHE_ITEMS, CACHE_BYTES, ByBytes),
            allowed_topics: settings.allowed_topics(),
            message_max_bytes: settings.message_max_bytes,
        })
    }

    /// Appends the message of one line to `message` and gives its topic; `reserved_at` is in seconds since 1970.
    ///
    /// # Errors
    /// When the line is to be rejected; `message` is then as before.
    pub fn enrich<'a>(
        &self,
        line: &'a [u8],
        reserved_at: i64,
        message: &mut Vec<u8>,
    ) -> Result<&'a str, Rejection> {
        let payload = Payload::parse(line, &self.allowed_topics)?;
        let device = self.device_meta(payload.raw_user_agent);
        let country = self.countries.country(payload.address);
        let start = message.len();
        message::write(message, &payload, &device, country.as_ref().map(CountryCode::as_str), reserved_at);
        let size = message.len() - start;
        if size > self.message_max_bytes {
            message.truncate(start);
            let detail =
                format!("a message of {size} bytes, MESSAGE_MAX_BYTES allows {}", self.message_max_bytes);
            return Err(Rejection::new(Reason::Size, detail));
        }
        Ok(payload.topic)
    }

    /// Takes one line apart for a person to look at.
    ///
    /// # Errors
    /// When the line is to be rejected.
    pub fn explain<'a>(&self, line: &'a [u8]) -> Result<Explained<'a>, Rejection> {
        let payload = Payload::parse(line, &self.allowed_topics)?;
        let device = self.detect(payload.raw_user_agent);
        let country = self.countries.country(payload.address);
        Ok(Explained { payload, device, country })
    }

    /// The database, to look for a newer file now and then.
    pub fn countries(&self) -> &CountryDatabase {
        &self.countries
    }

    /// Topics that were named as allowed, where any were.
    pub fn allowed_topics(&self) -> &AllowedTopics {
        &self.allowed_topics
    }

    /// The largest message that is let through, in bytes.
    pub fn message_max_bytes(&self) -> usize {
        self.message_max_bytes
    }

    fn device_meta(&self, raw_user_agent: &[u8]) -> Arc<DeviceMeta> {
        let key = &raw_user_agent[..raw_user_agent.len().min(USER_AGENT_MAX_BYTES)];
        if let Some(meta) = self.cache.get(key) {
            return meta;
        }
        let device = self.detect(key);
        let meta = Arc::new(DeviceMeta::new(
            device.bot_name.as_deref(),
            device.device,
            device.device_name.as_deref(),
            device.platform.as_deref(),
        ));
        self.cache.insert(key.into(), Arc::clone(&meta));
        meta
    }

    fn detect(&self, raw_user_agent: &[u8]) -> Device {
        let looked_at = &raw_user_agent[..raw_user_agent.len().min(USER_AGENT_MAX_BYTES)];
        self.engine.detect(&String::from_utf8_lossy(&join_words(looked_at)))
    }
}
