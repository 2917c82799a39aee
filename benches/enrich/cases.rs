//! What is measured, on made-up traffic from a fixed seed.

use std::hint::black_box;
use std::net::IpAddr;
use std::path::Path;

use clap::Parser;
use kafkastore::enrich::country::{CountryCode, CountryDatabase};
use kafkastore::enrich::device::woothee::Woothee;
use kafkastore::enrich::{self, DeviceCache, Enricher};
use kafkastore::message::{self, DeviceMeta};
use kafkastore::payload::{AllowedTopics, Payload};
use kafkastore::sample::{Mix, Sample};

/// How many lines, addresses or user agents one pass goes through.
pub const ITEMS: u32 = 10_000;
/// A worker writes the messages of a batch into one buffer, and uses it again.
const BATCH: usize = 1_000;
const SEED: u64 = 1;
const EPOCH: u64 = 1_465_287_056;
const RESERVED_AT: i64 = 1_465_287_057;
const DATABASE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/data/geo-whois-asn-country.mmdb");
/// More than the messages of any batch here.
const BUFFER_BYTES: usize = 1 << 20;
const NO_BAD_LINES: &str = "the sample was asked for no bad lines";
const USER_AGENTS: &str = include_str!("../../data/user-agents.tsv");

/// Something to be measured, pass by pass.
pub trait Case: Default {
    /// Makes anew what a pass uses up; not measured.
    fn prepare(&mut self) {}

    fn pass(&mut self);

    /// Ready for a pass, with the caches of the program and of the processor as they are in the long run.
    fn warm() -> Self {
        let mut case = Self::default();
        case.prepare();
        case.pass();
        case.prepare();
        case
    }
}

fn next_lines(sample: &mut Sample) -> Vec<Vec<u8>> {
    let line = |_| {
        let mut line = Vec::new();
        sample.write_line(EPOCH, &mut line);
        line
    };
    (0..ITEMS).map(line).collect()
}

/// Lives as long as the program, so that a case can keep what borrows from it.
fn real_lines() -> &'static [Vec<u8>] {
    next_lines(&mut Sample::new(SEED, Mix::default())).leak()
}

fn real_payloads() -> impl Iterator<Item = Payload<'static>> {
    real_lines().iter().map(|line| Payload::parse(line, &None).expect(NO_BAD_LINES))
}

fn database() -> CountryDatabase {
    CountryDatabase::open(Path::new(DATABASE)).expect("the shipped database is sound")
}

#[derive(Parser)]
struct Flags {
    #[command(flatten)]
    enrich: enrich::Settings,
}

/// With the topics named, as the README asks for.
fn enricher() -> Enricher {
    let flags = Flags::parse_from(["bench", "--geoip-db", DATABASE, "--kafka-topics", "clicks,inapp"]);
    Enricher::new(&flags.enrich).expect("the shipped database is sound")
}

/// A line taken apart and checked.
pub struct Parse {
    lines: &'static [Vec<u8>],
    allowed_topics: AllowedTopics,
}

impl Default for Parse {
    fn default() -> Self {
        Self { lines: real_lines(), allowed_topics: enricher().allowed_topics().clone() }
    }
}

impl Case for Parse {
    fn pass(&mut self) {
        for line in self.lines {
            black_box(Payload::parse(black_box(line), &self.allowed_topics)).expect(NO_BAD_LINES);
        }
    }
}

/// The country of an address, every tenth IPv6.
pub struct Country {
    database: CountryDatabase,
    addresses: Vec<IpAddr>,
}

impl Default for Country {
    fn default() -> Self {
        Self { database: database(), addresses: real_payloads().map(|payload| payload.address).collect() }
    }
}

impl Case for Country {
    fn pass(&mut self) {
        for &address in &self.addresses {
            black_box(self.database.country(black_box(address)));
        }
    }
}

/// The 952 real user agents in turn, each looked at in full: what it costs when the cache does not know one.
pub struct Device {
    engine: Woothee,
    user_agents: Vec<&'static str>,
}

impl Default for Device {
    fn default() -> Self {
        let user_agents = USER_AGENTS.lines().filter_map(|row| Some(row.split_once('\t')?.1));
        Self { engine: Woothee::new(), user_agents: user_agents.collect() }
    }
}

impl Case for Device {
    fn pass(&mut self) {
        for user_agent in self.user_agents.iter().cycle().take(ITEMS as usize) {
            let device = self.engine.detect(black_box(user_agent));
            black_box(DeviceMeta::new(
                device.bot_name.as_deref(),
                device.device,
                device.device_name.as_deref(),
                device.platform,
            ));
        }
    }
}

/// A user agent that the cache knows, each as often as in real traffic.
pub struct DeviceCached {
    cache: DeviceCache,
    user_agents: Vec<&'static [u8]>,
}

impl Default for DeviceCached {
    fn default() -> Self {
        Self {
            cache: EnrichWarm::warm().cache,
            user_agents: real_payloads().map(|payload| payload.raw_user_agent).collect(),
        }
    }
}

impl Case for DeviceCached {
    fn pass(&mut self) {
        for user_agent in &self.user_agents {
            black_box(self.cache.get(black_box(user_agent))).expect("it is warm");
        }
    }
}

/// The message, with all known that goes into it.
pub struct Message {
    parts: Vec<(Payload<'static>, DeviceMeta, Option<CountryCode>)>,
    messages: Vec<u8>,
}

impl Default for Message {
    fn default() -> Self {
        let (database, mut cache) = (database(), EnrichWarm::warm().cache);
        let parts = real_payloads().map(|payload| {
            let device = cache.get(payload.raw_user_agent).expect("it is warm").clone();
            let country = database.country(payload.address);
            (payload, device, country)
        });
        Self { parts: parts.collect(), messages: Vec::with_capacity(BUFFER_BYTES) }
    }
}

impl Case for Message {
    fn pass(&mut self) {
        for batch in self.parts.chunks(BATCH) {
            self.messages.clear();
            for (payload, device, country) in batch {
                let country = country.as_ref().map(CountryCode::as_bytes);
                message::write(&mut self.messages, black_box(payload), device, country, RESERVED_AT);
            }
            black_box(&self.messages);
        }
    }
}

fn enrich(enricher: &Enricher, cache: &mut DeviceCache, lines: &[Vec<u8>], messages: &mut Vec<u8>) {
    for batch in lines.chunks(BATCH) {
        messages.clear();
        for line in batch {
            let topic = enricher.enrich(cache, black_box(line), RESERVED_AT, messages);
            black_box(topic).expect(NO_BAD_LINES);
        }
        black_box(&messages);
    }
}

/// All of it, with every user agent in the cache.
pub struct EnrichWarm {
    enricher: Enricher,
    cache: DeviceCache,
    lines: &'static [Vec<u8>],
    messages: Vec<u8>,
}

impl Default for EnrichWarm {
    fn default() -> Self {
        Self {
            enricher: enricher(),
            cache: DeviceCache::default(),
            lines: real_lines(),
            messages: Vec::with_capacity(BUFFER_BYTES),
        }
    }
}

impl Case for EnrichWarm {
    fn pass(&mut self) {
        enrich(&self.enricher, &mut self.cache, self.lines, &mut self.messages);
    }
}

/// All of it, where one user agent in five was never seen before, with the cache full.
pub struct EnrichFresh {
    enricher: Enricher,
    cache: DeviceCache,
    sample: Sample,
    lines: Vec<Vec<u8>>,
    messages: Vec<u8>,
}

impl Default for EnrichFresh {
    fn default() -> Self {
        let mut case = Self {
            enricher: enricher(),
            cache: DeviceCache::default(),
            sample: Sample::new(SEED, Mix { fresh_agents: 0.2, bad_lines: 0.0 }),
            lines: Vec::new(),
            messages: Vec::with_capacity(BUFFER_BYTES),
        };
        // More answers than the cache has room for.
        for _ in 0..5 {
            case.prepare();
            case.pass();
        }
        case
    }
}

impl Case for EnrichFresh {
    fn prepare(&mut self) {
        self.lines = next_lines(&mut self.sample);
    }

    fn pass(&mut self) {
        enrich(&self.enricher, &mut self.cache, &self.lines, &mut self.messages);
    }
}
