//! Which country database, which device engine, which topics, and how large a message may be.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use clap::{Args, ValueEnum};

use super::country::CountryDatabase;
use super::device::Engine;
use super::device::matomo::Matomo;
use super::device::woothee::Woothee;
use crate::payload::{AllowedTopics, is_legal_topic};
use crate::settings::whole_number;

/// The database that comes with the program.
const SHIPPED_DATABASE: &str = "data/geo-whois-asn-country.mmdb";
/// Where `bin/fetch-devices` puts Matomo's files.
const FETCHED_REGEXES: &str = "data/device-regexes";
/// Kafka's own limit is 1,048,576 bytes a record batch, which holds more than the message.
const MESSAGE_LARGEST: usize = 100 * 1024 * 1024;

#[derive(Args, Debug, Clone)]
#[command(next_help_heading = "Enrichment")]
#[group(skip)]
pub struct Settings {
    /// Country database in MaxMind's format [default: data/geo-whois-asn-country.mmdb, beside the program]
    #[arg(long, env = "GEOIP_DB", value_name = "FILE")]
    geoip_db: Option<PathBuf>,

    /// What tells devices by their user agent: `woothee` is built in, `matomo` needs files
    #[arg(long, env = "DEVICE_ENGINE", value_enum, default_value = "woothee")]
    device_engine: EngineName,

    /// Folder with Matomo's regexes, for that engine [default: data/device-regexes, beside the program]
    #[arg(long, env = "DEVICE_REGEXES", value_name = "FOLDER")]
    device_regexes: Option<PathBuf>,

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

/// An engine, as a setting names it.
#[derive(ValueEnum, Clone, Copy, PartialEq, Eq, Debug)]
enum EngineName {
    Woothee,
    Matomo,
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
            None => shipped(SHIPPED_DATABASE).ok_or_else(|| {
                format!("GEOIP_DB: {SHIPPED_DATABASE} is not here, name a country database")
            })?,
        };
        CountryDatabase::open(&path).map_err(|error| format!("GEOIP_DB: {error}"))
    }

    pub(super) fn start_engine(&self) -> Result<Engine, String> {
        if self.device_engine == EngineName::Woothee {
            return Ok(Engine::Woothee(Woothee::new()));
        }
        let folder = match &self.device_regexes {
            Some(folder) => folder.clone(),
            None => shipped(FETCHED_REGEXES).ok_or_else(|| {
                format!("DEVICE_REGEXES: {FETCHED_REGEXES} is not here, get it by bin/fetch-devices or name a folder")
            })?,
        };
        let engine = Matomo::open(&folder).map_err(|error| format!("DEVICE_REGEXES: {error}"))?;
        Ok(Engine::Matomo(Box::new(engine), folder))
    }

    /// What is set, and of no use as it is.
    pub fn warnings(&self) -> Option<String> {
        (self.device_engine == EngineName::Woothee && self.device_regexes.is_some())
            .then(|| "DEVICE_REGEXES is set, but DEVICE_ENGINE=woothee reads no files".to_owned())
    }
}

/// Looks in the current directory, then beside the program and in the directories above it.
fn shipped(what: &str) -> Option<PathBuf> {
    let program = std::env::current_exe().unwrap_or_default();
    std::iter::once(Path::new(""))
        .chain(program.ancestors().skip(1))
        .map(|directory| directory.join(what))
        .find(|path| path.exists())
}
