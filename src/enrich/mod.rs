//! Payload to message: device from the user agent, country from the address. No network.
//!
//! - [`settings`]: which database, which engine, which topics, how large a message may be
//! - [`country`]: the country of an address
//! - [`device`]: what a user agent says, one engine a file
//! - `explained`: all that became of one line

pub mod country;
pub mod device;
mod explained;
pub mod settings;

use quick_cache::Weighter;
use quick_cache::unsync::Cache;

use crate::message::{self, DeviceMeta};
use crate::payload::{AllowedTopics, Payload, Reason, Rejection, join_words};
use country::{CountryCode, CountryDatabase};
use device::{Device, Engine};

pub use explained::Explained;
pub use settings::Settings;

/// Memory for the answers that one cache holds.
const CACHE_BYTES: u64 = 4 * 1024 * 1024;
/// How many answers that is about.
const CACHE_ITEMS: usize = 10_000;
/// What an entry of the cache takes beside its texts.
const CACHE_ENTRY_BYTES: usize = 160;

/// Makes messages of payloads; shared by all lanes.
pub struct Enricher {
    countries: CountryDatabase,
    engine: Engine,
    allowed_topics: AllowedTopics,
    message_max_bytes: usize,
}

/// The answers to user agents seen lately. Each lane has its own: a few user agents make most of the traffic, and two
/// cores that count references to the same answer get in each other's way.
pub struct DeviceCache {
    answers: Cache<Vec<u8>, DeviceMeta, ByBytes>,
    hits: u64,
    misses: u64,
}

impl Default for DeviceCache {
    fn default() -> Self {
        Self { answers: Cache::with_weighter(CACHE_ITEMS, CACHE_BYTES, ByBytes), hits: 0, misses: 0 }
    }
}

impl DeviceCache {
    /// The answer to a user agent, where it is known.
    pub fn get(&mut self, user_agent: &[u8]) -> Option<&DeviceMeta> {
        let answer = self.answers.get(user_agent);
        self.hits += u64::from(answer.is_some());
        answer
    }

    /// How often an answer was known, and how often not, since the last time.
    pub fn take_counts(&mut self) -> (u64, u64) {
        (std::mem::take(&mut self.hits), std::mem::take(&mut self.misses))
    }
}

#[derive(Clone)]
struct ByBytes;

impl Weighter<Vec<u8>, DeviceMeta> for ByBytes {
    fn weight(&self, user_agent: &Vec<u8>, meta: &DeviceMeta) -> u64 {
        (user_agent.len() + meta.heap_bytes() + CACHE_ENTRY_BYTES) as u64
    }
}

impl Enricher {
    /// Opens the country database and starts the device engine.
    ///
    /// # Errors
    /// A plain line that names the variable to mend.
    pub fn new(settings: &Settings) -> Result<Self, String> {
        Ok(Self {
            countries: settings.open_country_database()?,
            engine: settings.start_engine()?,
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
        cache: &mut DeviceCache,
        line: &'a [u8],
        reserved_at: i64,
        message: &mut Vec<u8>,
    ) -> Result<&'a str, Rejection> {
        let payload = Payload::parse(line, &self.allowed_topics)?;
        let country = self.countries.country(payload.address);
        let country = country.as_ref().map(CountryCode::as_bytes);
        let start = message.len();
        let user_agent = looked_at(payload.raw_user_agent);
        if let Some(device) = cache.get(user_agent) {
            message::write(message, &payload, device, country, reserved_at);
        } else {
            let device = meta_of(&self.detect(user_agent));
            message::write(message, &payload, &device, country, reserved_at);
            cache.answers.insert(user_agent.to_vec(), device);
            cache.misses += 1;
        }
        if let Err(rejection) = self.check_size(message.len() - start) {
            message.truncate(start);
            return Err(rejection);
        }
        Ok(payload.topic)
    }

    /// Takes one line apart for a person to look at; `reserved_at` is in seconds since 1970.
    ///
    /// # Errors
    /// When the line is to be rejected.
    pub fn explain<'a>(&self, line: &'a [u8], reserved_at: i64) -> Result<Explained<'a>, Rejection> {
        let payload = Payload::parse(line, &self.allowed_topics)?;
        let device = self.detect(looked_at(payload.raw_user_agent));
        let country = self.countries.country(payload.address);
        let mut message = Vec::new();
        let code = country.as_ref().map(CountryCode::as_bytes);
        message::write(&mut message, &payload, &meta_of(&device), code, reserved_at);
        self.check_size(message.len())?;
        Ok(Explained { payload, device, country, message })
    }

    fn check_size(&self, size: usize) -> Result<(), Rejection> {
        if size <= self.message_max_bytes {
            return Ok(());
        }
        let detail =
            format!("a message of {size} bytes, MESSAGE_MAX_BYTES allows {}", self.message_max_bytes);
        Err(Rejection::new(Reason::Size, detail))
    }

    /// The engine that tells devices.
    pub fn engine(&self) -> &Engine {
        &self.engine
    }

    /// The database, to look for a newer file now and then.
    pub fn countries(&self) -> &CountryDatabase {
        &self.countries
    }

    /// Topics that were named as allowed, where any were.
    pub fn allowed_topics(&self) -> &AllowedTopics {
        &self.allowed_topics
    }

    fn detect(&self, raw_user_agent: &[u8]) -> Device {
        self.engine.detect(&String::from_utf8_lossy(&join_words(raw_user_agent)))
    }
}

fn meta_of(device: &Device) -> DeviceMeta {
    DeviceMeta::new(device.bot_name.as_deref(), device.device, device.device_name.as_deref(), device.platform)
}

fn looked_at(raw_user_agent: &[u8]) -> &[u8] {
    &raw_user_agent[..raw_user_agent.len().min(device::USER_AGENT_MAX_BYTES)]
}
