//! Made-up tracker traffic that looks like the real one, for `send --sample`, `dev` and load tests.
//!
//! Real are the user agents and how often each is seen (`data/user-agents.tsv`), and the shape of
//! the lines. Addresses, advertising ids and names come from the seed and mean nobody.

use std::collections::HashSet;
use std::fmt;
use std::io::Write;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::ops::Range;

use rand::distr::Distribution;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use rand_distr::weighted::WeightedAliasIndex;

use crate::utc::Utc;

/// Parts per million, tab, user agent; made by `data/extract-user-agents.mjs`.
const USER_AGENTS: &str = include_str!("../data/user-agents.tsv");

const ADDRESSES: usize = 200_000;

/// Fewer than half: clicks have 600 bytes on average and in-app calls 210, and all lines are to have 365.
const CLICK_SHARE: f64 = 0.4;
/// Clicks whose network knows the advertising id; the others are matched by fingerprint.
const CLICK_ADID_SHARE: f64 = 0.4;
/// In-app calls without any parameter: the tracker writes `p` for their query.
const EMPTY_QUERY_SHARE: f64 = 0.05;

/// Path of an in-app call, what follows its `adid`, and how many calls in a hundred.
const CALLS: [(&str, &str, u64); 6] = [
    ("/t/apo", "", 58),
    ("/t/fun", "&step=7", 18),
    ("/t/ist", "", 12),
    ("/t/pay", "&amount=499&currency=EUR", 6),
    ("/t/pob", "&event=ist&network=northads", 4),
    ("/t/mac", "&campaign_link_id=117", 2),
];

/// What trackers do push and no worker can accept: an address, empty for one that is
/// sound, and what stands between the time and the user agent.
const BAD_LINES: [(&str, &str); 4] = [
    ("unknown", "inapp /t/apo a=4"), // from X-Forwarded-For
    ("evil;x=1", "inapp /t/ist p"),  // anyone may write anything into that header
    ("", " /t/apo a=18b"),           // empty Host: the path stands where the topic should
    ("", "inapp  p"),                // `GET *`: the query stands where the path should
];

const NETWORKS: [&str; 5] = ["northads", "tapfield", "adharbor", "clickmoor", "vidlane"];
const CAMPAIGNS: [&str; 6] = ["spring_sale", "retarget", "lookalike", "launch", "brand%20terms", "holiday"];
const ADS: [&str; 4] = ["banner", "video15", "playable", "native"];

/// Blocks of large access networks: their first 32 bits, and how many of all 128 bits are free.
const IPV6_BLOCKS: [(u32, u32); 10] = [
    (0x2003_0000, 109), // Germany
    (0x2409_4000, 106), // India
    (0x240e_0000, 108), // China
    (0x2600_1700, 100), // United States
    (0x2601_0000, 108), // United States
    (0x2607_fb90, 96),  // United States
    (0x2804_014c, 97),  // Brazil
    (0x2a00_23c0, 102), // United Kingdom
    (0x2a01_0e00, 102), // France
    (0x2a02_8100, 101), // Germany
];

/// First bytes of IPv4 addresses below 224 that are reserved, or whose block holds such a range.
const NOT_PUBLIC: [u8; 9] = [0, 10, 100, 127, 169, 172, 192, 198, 203];

/// How the traffic is mixed. The default is real user agents only and no bad lines.
#[derive(Clone, Copy, Debug, Default)]
pub struct Mix {
    /// Share of lines whose user agent was never seen before, 0 to 1.
    pub fresh_agents: f64,
    /// Share of lines that no worker can accept, 0 to 1.
    pub bad_lines: f64,
}

/// An endless supply of payloads, 365 bytes long on average, from 200,000 addresses.
///
/// The same seed, mix and epochs give the same bytes on every machine and in every release: the
/// stream of ChaCha8 is fixed, and weights are whole numbers, so that nothing hangs on how a machine
/// rounds. So load tests of two releases compare like with like. A test holds the bytes.
pub struct Sample {
    rng: ChaCha8Rng,
    mix: Mix,
    agents: Vec<Agent>,
    agent_odds: WeightedAliasIndex<u64>,
    addresses: Vec<String>,
    address_odds: WeightedAliasIndex<u64>,
    call_odds: WeightedAliasIndex<u64>,
    times: ClickTimes,
    versions: FreshVersions,
}

impl Sample {
    /// Builds the tables, some 70 ms of work. A share outside 0 to 1 counts as the nearer bound.
    pub fn new(seed: u64, mix: Mix) -> Self {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let share = |asked: f64| if asked > 0.0 { asked.min(1.0) } else { 0.0 };
        let (agents, agent_weights) = real_agents().unzip();
        Self {
            mix: Mix { fresh_agents: share(mix.fresh_agents), bad_lines: share(mix.bad_lines) },
            agents,
            agent_odds: odds(agent_weights),
            addresses: made_up_addresses(&mut rng),
            address_odds: odds((1..=ADDRESSES as u128).map(address_weight).collect()),
            call_odds: odds(CALLS.iter().map(|call| call.2).collect()),
            times: ClickTimes::of(0),
            versions: FreshVersions { first: rng.random_range(0..FreshVersions::ROUND), given: 0 },
            rng,
        }
    }

    /// Appends one payload (no newline) stamped `epoch` (seconds) to `line`.
    pub fn write_line(&mut self, epoch: u64, line: &mut Vec<u8>) {
        let rng = &mut self.rng;
        let agent = &self.agents[self.agent_odds.sample(rng)];
        let fresh = rng.random_bool(self.mix.fresh_agents);
        let bad = rng.random_bool(self.mix.bad_lines);
        let bad_line = bad.then(|| BAD_LINES[rng.random_range(0..BAD_LINES.len())]);
        let address = match bad_line {
            Some((address, _)) if !address.is_empty() => address,
            _ => &self.addresses[self.address_odds.sample(rng)],
        };
        append(line, format_args!("{address} {epoch} "));
        if let Some((_, middle)) = bad_line {
            line.extend_from_slice(middle.as_bytes());
        } else if rng.random_bool(CLICK_SHARE) {
            if self.times.epoch != epoch {
                self.times = ClickTimes::of(epoch);
            }
            write_click(rng, &self.times, agent.android, line);
        } else {
            let call = CALLS[self.call_odds.sample(rng)];
            write_call(rng, call, line);
        }
        line.push(b' ');
        if fresh {
            self.versions.write_fresh(agent, line);
        } else {
            line.extend_from_slice(agent.text.as_bytes());
        }
    }
}

/// Topic, path and the 16 parameters in the click tracker's order; one without a value is a bare key.
fn write_click(rng: &mut ChaCha8Rng, times: &ClickTimes, android: bool, line: &mut Vec<u8>) {
    // Everything that belongs to the campaign link follows from its number.
    let link = rng.random_range(1..=600_u32);
    let pick = |names: &[&'static str], step| names[(link / step) as usize % names.len()];
    let (ad, network, campaign) = (pick(&ADS, 1), pick(&NETWORKS, 4), pick(&CAMPAIGNS, 20));
    let (app, user) = (link / 40, link / 120 + 1);

    let by_adid = rng.random_bool(CLICK_ADID_SHARE);
    let adid = if by_adid { format!("={}", uuid(rng)) } else { String::new() };
    let till = if by_adid { &times.week_later } else { &times.day_later };
    let click = &times.click;
    append(
        line,
        format_args!(
            "clicks /t/click ad={ad}&adgroup=g{link}&adid{adid}&attr_window_from={click}\
             &attr_window_till={till}&campaign={campaign}&campaign_link_id={link}&click"
        ),
    );
    if rng.random_bool(0.1) {
        append(line, format_args!("={:016x}", rng.random::<u64>()));
    }
    let lookup_key: u128 = rng.random();
    append(
        line,
        format_args!(
            "&created_at={click}&idfa_comb{adid}&lookup_key={lookup_key:032x}&network={network}\
             &partner_data"
        ),
    );
    if rng.random_bool(0.1) {
        append(line, format_args!("=slot%20{}", rng.random_range(1..100_u32)));
    }
    line.extend_from_slice(b"&redirect_url=https%3A%2F%2F");
    if android {
        line.extend_from_slice(b"play.google.com%2Fstore%2Fapps%2Fdetails%3Fid%3Dcom.example.app");
        append(line, format_args!("{app}&reqparams="));
    } else {
        append(line, format_args!("itunes.apple.com%2Fapp%2Fid{}&reqparams=", 480_000_000 + app));
    }
    if rng.random_bool(0.1) {
        // A query string within the query string: its own encoding is encoded again.
        let sub = rng.random_range(1..100_000_u32);
        append(line, format_args!("sub%3D{sub}%26site%3Dnews%2526sport"));
    }
    append(line, format_args!("&user_id={user}"));
}

/// Topic, path and query of an in-app call.
fn write_call(rng: &mut ChaCha8Rng, call: (&str, &str, u64), line: &mut Vec<u8>) {
    let (path, parameters, _) = call;
    if rng.random_bool(EMPTY_QUERY_SHARE) {
        append(line, format_args!("inapp {path} p"));
    } else {
        append(line, format_args!("inapp {path} adid={}{parameters}", uuid(rng)));
    }
}

fn append(line: &mut Vec<u8>, text: fmt::Arguments<'_>) {
    line.write_fmt(text).expect("memory takes every write");
}

/// A random UUID (RFC 9562, version 4) in capitals, as iOS writes advertising ids.
fn uuid(rng: &mut ChaCha8Rng) -> String {
    let (high, low): (u64, u64) = (rng.random(), rng.random());
    let (version, variant) = (0x4000 | high & 0xfff, 0x8000 | low >> 48 & 0x3fff);
    let (time, middle, node) = (high >> 32, high >> 16 & 0xffff, low & 0xffff_ffff_ffff);
    format!("{time:08X}-{middle:04X}-{version:04X}-{variant:04X}-{node:012X}")
}

/// A user agent, and where in it a version number stands that can be made up.
struct Agent {
    text: &'static str,
    /// What follows the major version: `.0.0.0` of `Chrome/145.0.0.0`.
    minor: Range<usize>,
    android: bool,
}

impl Agent {
    fn new(text: &'static str) -> Self {
        const PRODUCTS: [&str; 7] =
            ["Chrome/", "CriOS/", "GSA/", "FxiOS/", "Version/", "Firefox/", "AppleWebKit/"];
        let product = PRODUCTS.iter().find_map(|name| Some(text.find(name)? + name.len()));
        // Without any of them the made-up numbers go to the end.
        let major = product.unwrap_or(text.len());
        let end_of = |start: usize, part: fn(char) -> bool| {
            text[start..].find(|sign| !part(sign)).map_or(text.len(), |length| start + length)
        };
        let minor = end_of(major, |sign| sign.is_ascii_digit());
        let end = end_of(minor, |sign| sign.is_ascii_digit() || sign == '.');
        Self { text, minor: minor..end, android: text.contains("Android") }
    }
}

/// The user agents of the file with their weights.
fn real_agents() -> impl Iterator<Item = (Agent, u64)> {
    USER_AGENTS.lines().map(|row| {
        let (weight, text) = row.split_once('\t').expect("every row of the file has a tab");
        (Agent::new(text), weight.parse().expect("every row begins with a whole number"))
    })
}

/// Gives out version numbers that no browser has and that do not come twice.
struct FreshVersions {
    first: u64,
    given: u64,
}

impl FreshVersions {
    /// Builds have five digits here: real ones have four, so a fresh user agent is never a real one.
    const BUILDS: u64 = 90_000;
    const PATCHES: u64 = 250;
    const ROUND: u64 = Self::BUILDS * Self::PATCHES;
    /// Shares no factor with `ROUND`, so that a round reaches every version once.
    const STEP: u64 = 7_654_321;

    fn write_fresh(&mut self, agent: &Agent, line: &mut Vec<u8>) {
        let (round, turn) = (self.given / Self::ROUND, self.given % Self::ROUND);
        let place = (self.first + turn * Self::STEP) % Self::ROUND;
        let (build, patch) = (10_000 + place / Self::PATCHES, place % Self::PATCHES);
        let (head, tail) = (&agent.text[..agent.minor.start], &agent.text[agent.minor.end..]);
        append(line, format_args!("{head}.{round}.{build}.{patch}{tail}"));
        self.given += 1;
    }
}

/// The times in a click of one second, form-encoded.
struct ClickTimes {
    epoch: u64,
    click: String,
    day_later: String,
    week_later: String,
}

impl ClickTimes {
    fn of(epoch: u64) -> Self {
        let after = |days: u64| encoded_time(epoch.saturating_add(days * 86_400));
        Self { epoch, click: after(0), day_later: after(1), week_later: after(7) }
    }
}

/// `2016-06-07T08:10:56+00:00`, form-encoded.
fn encoded_time(epoch: u64) -> String {
    let Utc { year, month, day, hour, minute, second } = Utc::at(epoch);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}%3A{minute:02}%3A{second:02}%2B00%3A00")
}

/// Different public addresses, every tenth IPv6, in the order of how often they come.
fn made_up_addresses(rng: &mut ChaCha8Rng) -> Vec<String> {
    let mut known: HashSet<IpAddr> = HashSet::with_capacity(ADDRESSES);
    let mut addresses = Vec::with_capacity(ADDRESSES);
    while addresses.len() < ADDRESSES {
        let address = if addresses.len() % 10 == 9 {
            let (prefix, free_bits) = IPV6_BLOCKS[rng.random_range(0..IPV6_BLOCKS.len())];
            let free = rng.random::<u128>() & ((1 << free_bits) - 1);
            IpAddr::from(Ipv6Addr::from_bits(u128::from(prefix) << 96 | free))
        } else {
            let bits: u32 = rng.random();
            let first = bits.to_be_bytes()[0];
            if first >= 224 || NOT_PUBLIC.contains(&first) {
                continue;
            }
            IpAddr::from(Ipv4Addr::from_bits(bits))
        };
        if known.insert(address) {
            addresses.push(address.to_string());
        }
    }
    addresses
}

/// Zipf's law with exponent 3/4, in whole numbers.
///
/// Phones share the gateways of their carriers, so some addresses come often: the first gets 1.2 % of
/// the lines, the first hundred 11 %. With exponent 1 the first would get 8 %, more than any gateway.
fn address_weight(rank: u128) -> u64 {
    let weight = ((1_u128 << 120) / rank.pow(3)).isqrt().isqrt();
    weight as u64 // at most 2^30
}

fn odds(weights: Vec<u64>) -> WeightedAliasIndex<u64> {
    WeightedAliasIndex::new(weights).expect("the weights are small and not all zero")
}

#[cfg(test)]
mod tests;
