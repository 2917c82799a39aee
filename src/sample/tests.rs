use std::collections::HashMap;

use super::*;

const EPOCH: u64 = 1_465_287_056;

fn lines(seed: u64, mix: Mix, count: usize) -> Vec<String> {
    let mut sample = Sample::new(seed, mix);
    let mut next = || {
        let mut line = Vec::new();
        sample.write_line(EPOCH, &mut line);
        String::from_utf8(line).unwrap()
    };
    (0..count).map(|_| next()).collect()
}

/// What a worker accepts: the fields up to the query, and the user agent.
fn accepted(line: &str) -> Option<([&str; 5], &str)> {
    let words: Vec<&str> = line.split_ascii_whitespace().take(5).collect();
    let fields: [&str; 5] = words.try_into().ok()?;
    let [ip, epoch, topic, path, _] = fields;
    ip.parse::<IpAddr>().ok()?;
    epoch.parse::<u64>().ok()?;
    let legal = |sign: char| sign.is_ascii_alphanumeric() || "._-".contains(sign);
    let sound = topic.chars().all(legal) && path.starts_with('/');
    sound.then(|| (fields, line.splitn(6, ' ').nth(5).unwrap_or_default()))
}

fn agents_of(lines: &[String]) -> Vec<&str> {
    lines.iter().map(|line| accepted(line).unwrap().1).collect()
}

#[test]
fn the_same_seed_gives_the_same_bytes_in_every_release() {
    let mix = Mix { fresh_agents: 0.2, bad_lines: 0.1 };
    let first = lines(7, mix, 1_000);
    assert_eq!(first, lines(7, mix, 1_000));
    assert_ne!(first, lines(8, mix, 1_000));
    // FNV-1a. A new `data/user-agents.tsv` is a reason to renew it, the upgrade of a crate is not:
    // load tests of two releases would no longer compare like with like.
    let hash = first.concat().bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    });
    assert_eq!(hash, 0xfc86_bb30_e85a_783e, "{hash:#x}");
}

#[test]
fn every_line_but_the_bad_ones_can_be_accepted() {
    for line in lines(1, Mix { fresh_agents: 0.5, ..Mix::default() }, 20_000) {
        let (fields, agent) = accepted(&line).expect(&line);
        assert!(agent.starts_with("Mozilla/5.0 ("), "{line}");
        if fields[2] == "clicks" {
            let keys: Vec<_> = fields[4].split('&').map(|pair| pair.split('=').next()).collect();
            assert!(keys.len() == 16 && keys.is_sorted(), "{line}");
        }
    }
}

#[test]
fn bad_lines_are_as_many_as_asked_and_none_is_accepted_by_mistake() {
    let all_bad = lines(2, Mix { bad_lines: 1.0, ..Mix::default() }, 2_000);
    assert!(all_bad.iter().all(|line| accepted(line).is_none()));
    let some_bad = lines(2, Mix { bad_lines: 0.1, ..Mix::default() }, 20_000);
    let bad = some_bad.iter().filter(|line| accepted(line).is_none()).count();
    assert!((1_850..2_150).contains(&bad), "{bad}");
}

#[test]
fn fresh_agents_are_as_many_as_asked_and_all_different() {
    let real: HashSet<&str> = real_agents().map(|(agent, _)| agent.text).collect();
    let sample = lines(3, Mix { fresh_agents: 0.2, ..Mix::default() }, 50_000);
    let mut fresh = agents_of(&sample);
    fresh.retain(|agent| !real.contains(agent));
    assert!((9_700..10_300).contains(&fresh.len()), "{}", fresh.len());
    let different: HashSet<&str> = fresh.iter().copied().collect();
    assert_eq!(different.len(), fresh.len());
    let others = lines(4, Mix { fresh_agents: 1.0, ..Mix::default() }, 50_000);
    let common = agents_of(&others).iter().filter(|agent| different.contains(*agent)).count();
    assert!(common < 50, "{common}");
}

#[test]
fn lines_are_as_long_as_real_ones() {
    let sample = lines(5, Mix::default(), 50_000);
    let average = sample.iter().map(String::len).sum::<usize>() / sample.len();
    assert!((360..=370).contains(&average), "{average}");
}

#[test]
fn user_agents_and_addresses_come_as_often_as_real_ones() {
    let sample = lines(6, Mix::default(), 100_000);
    let mut counts: HashMap<&str, u64> = HashMap::new();
    for agent in agents_of(&sample) {
        *counts.entry(agent).or_default() += 1;
    }
    for (agent, weight) in real_agents().take(20) {
        let expected = weight / 10; // parts per million of 100,000 lines
        assert!(counts[agent.text].abs_diff(expected) < expected / 5, "{}", agent.text);
    }
    let addresses: Vec<&str> = sample.iter().filter_map(|line| line.split(' ').next()).collect();
    let ipv6 = addresses.iter().filter(|address| address.contains(':')).count();
    assert!((8_000..12_000).contains(&ipv6), "{ipv6}");
    let different = addresses.into_iter().collect::<HashSet<_>>().len();
    assert!((45_000..75_000).contains(&different), "{different}");
}

#[test]
fn times_are_those_of_the_calendar() {
    assert_eq!(encoded_time(EPOCH), "2016-06-07T08%3A10%3A56%2B00%3A00");
    assert_eq!(encoded_time(951_782_400), "2000-02-29T00%3A00%3A00%2B00%3A00");
    assert_eq!(encoded_time(0), "1970-01-01T00%3A00%3A00%2B00%3A00");
}
