//! Writes small files in the MaxMind-DB format, version 2.0, as its specification lays them out.

use std::net::{IpAddr, Ipv6Addr};

/// What is said of a network.
#[derive(Clone, Copy)]
pub(super) enum Record {
    Flat(&'static str),
    Nested(&'static str),
    /// Something that is no country.
    Other,
}

#[derive(Clone, Copy)]
enum Branch {
    Nothing,
    Node(usize),
    Data(usize),
}

/// Makes an IPv6 database of these networks, none inside another; IPv4 stands at `::/96`.
pub(super) fn database(networks: &[(&str, usize, Record)]) -> Vec<u8> {
    let mut nodes = vec![[Branch::Nothing; 2]];
    let mut section = Vec::new();
    for (address, prefix, record) in networks {
        let (bits, length) = match address.parse().unwrap() {
            IpAddr::V4(v4) => (u128::from(u32::from(v4)), prefix + 96),
            IpAddr::V6(v6) => (Ipv6Addr::to_bits(v6), *prefix),
        };
        insert(&mut nodes, bits, length, section.len());
        section.extend(encode(*record));
    }
    let mut file = Vec::new();
    for branch in nodes.iter().flatten() {
        let value = match branch {
            Branch::Nothing => nodes.len(),
            Branch::Node(index) => *index,
            Branch::Data(offset) => nodes.len() + 16 + offset,
        };
        file.extend(&u32::try_from(value).unwrap().to_be_bytes()[1..]);
    }
    file.extend([0; 16]);
    file.extend(section);
    file.extend(b"\xab\xcd\xefMaxMind.com");
    file.extend(metadata(nodes.len()));
    file
}

fn insert(nodes: &mut Vec<[Branch; 2]>, bits: u128, length: usize, offset: usize) {
    let mut node = 0;
    for depth in 0..length {
        let side = usize::from(bits >> (127 - depth) & 1 == 1);
        if depth + 1 == length {
            nodes[node][side] = Branch::Data(offset);
            return;
        }
        node = if let Branch::Node(next) = nodes[node][side] {
            next
        } else {
            nodes.push([Branch::Nothing; 2]);
            let next = nodes.len() - 1;
            nodes[node][side] = Branch::Node(next);
            next
        };
    }
}

fn encode(record: Record) -> Vec<u8> {
    match record {
        Record::Flat(code) => map(&[("country_code", text(code))]),
        Record::Nested(code) => map(&[
            ("continent", map(&[("code", text("NA"))])),
            ("country", map(&[("geoname_id", number(6, 4, 6_252_001)), ("iso_code", text(code))])),
            ("registered_country", map(&[("iso_code", text("XX"))])),
        ]),
        Record::Other => map(&[("autonomous_system_number", number(6, 4, 64_496))]),
    }
}

fn metadata(node_count: usize) -> Vec<u8> {
    map(&[
        ("binary_format_major_version", number(5, 2, 2)),
        ("binary_format_minor_version", number(5, 2, 0)),
        ("build_epoch", [vec![8, 2], 1_465_287_057_u64.to_be_bytes().to_vec()].concat()),
        ("database_type", text("Test")),
        ("description", map(&[])),
        ("ip_version", number(5, 2, 6)),
        ("languages", vec![0, 4]),
        ("node_count", number(6, 4, u32::try_from(node_count).unwrap())),
        ("record_size", number(5, 2, 24)),
    ])
}

/// A control byte holds the type in its upper three bits and the size, below 29, in the others.
fn control(kind: u8, size: usize) -> Vec<u8> {
    assert!(size < 29, "a longer size is written otherwise");
    vec![kind << 5 | u8::try_from(size).unwrap()]
}

fn map(entries: &[(&str, Vec<u8>)]) -> Vec<u8> {
    let mut bytes = control(7, entries.len());
    for (key, value) in entries {
        bytes.extend(text(key));
        bytes.extend(value);
    }
    bytes
}

fn text(text: &str) -> Vec<u8> {
    [control(2, text.len()), text.as_bytes().to_vec()].concat()
}

fn number(kind: u8, size: usize, value: u32) -> Vec<u8> {
    [control(kind, size), value.to_be_bytes()[4 - size..].to_vec()].concat()
}
