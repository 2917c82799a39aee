//! Which country database, which topics, and how large a message may be.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use clap::Args;

use super::country::CountryDatabase;
use crate::payload::{AllowedTopics, is_legal_topic};
use crate::settings::whole_number;

/// The database that comes with the program.
const SHIPPED_DATABASE: &str = "data/geo-whois-asn-country.mmdb";
/// Kafka's own limit is 1,048,576 bytes a record batch, which holds more than the message.
const MESSAGE_LARGEST: usize = 100 * 1024 * 1024;

#[derive(Args, Debug, Clone)]
#[command(next_help_heading = "Enrichment")]
#[group(skip)]
pub struct Settings {
    /// Country database in MaxMind's format [default: data/geo-whois-asn-country.mmdb, beside the program]
    #[arg(long, env = "GEOIP_DB", value_name = "FILE")]
    geoip_db: Option<PathBuf>,

    /// The only topics that lines may name, by commas [default: every legal name]
    #[arg(long, env = "KAFKA_TOPICS", value_name = "TOPICS", value_delimiter = ',', value_parser = parse_topic)]
    kafka_topics: Vec<String>,

    /// A larger message is rejected: it would stop the consumers of its partition
    #[arg(
        long,
        env = "MESSAGE_MAX_BYTES",
        value_name = "BYTES",
        default_value = "1000000",
        value_parser = whole_number(1..=MESSAGE_LARGEST)
    )]
    pub message_max_bytes: usize,
}

fn parse_topic(text: &str) -> Result<String, String> {
    let name = text.trim();
    is_legal_topic(name)
        .then(|| name.to_owned())
        .ok_or_else(|| "at most 249 letters, digits, '.', '_' and '-' are allowed".to_owned())
}

impl Settings {
    /// The topics that lines may name; `None` is every legal one.
    pub fn allowed_topics(&self) -> AllowedTopics {
        (!self.kafka_topics.is_empty()).then(|| BTreeSet::from_iter(self.kafka_topics.iter().cloned()))
    }

    pub(super) fn open_country_database(&self) -> Result<CountryDatabase, String> {
        let path = match &self.geoip_db {
            Some(path) => path.clone(),
            None => shipped_database()?,
        };
        CountryDatabase::open(&path).map_err(|error| format!("GEOIP_DB: {error}"))
    }
}

/// Looks in the current directory, then beside the program and in the directories above it.
fn shipped_database() -> Result<PathBuf, String> {
    let program = std::env::current_exe().unwrap_or_default();
    std::iter::once(Path::new("."))
        .chain(program.ancestors().skip(1))
        .map(|directory| directory.join(SHIPPED_DATABASE))
        .find(|path| path.is_file())
        .ok_or_else(|| format!("GEOIP_DB: {SHIPPED_DATABASE} is not here, name a country database"))
}
