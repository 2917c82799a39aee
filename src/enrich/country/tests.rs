use std::fs::{self, OpenOptions};
use std::path::PathBuf;

use super::{CountryDatabase, Reload};

mod mmdb;
use mmdb::{Record, database};

/// A directory of its own with a country database in it.
struct Place {
    path: PathBuf,
    _directory: tempfile::TempDir,
}

impl Place {
    fn with(content: &[u8]) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("country.mmdb");
        fs::write(&path, content).unwrap();
        Self { path, _directory: directory }
    }

    fn replace(&self, content: &[u8]) {
        let new = self.path.with_extension("new");
        fs::write(&new, content).unwrap();
        fs::rename(&new, &self.path).unwrap();
    }
}

fn country(database: &CountryDatabase, address: &str) -> Option<String> {
    database.country(address.parse().unwrap()).map(|code| code.to_string())
}

fn flat(code: &'static str) -> Vec<u8> {
    database(&[("8.8.8.0", 24, Record::Flat(code)), ("2a00:1450::", 32, Record::Flat("IE"))])
}

fn nested(code: &'static str) -> Vec<u8> {
    database(&[("8.8.8.0", 24, Record::Nested(code)), ("2a00:1450::", 32, Record::Nested("IE"))])
}

#[test]
fn both_shapes_of_records_are_read() {
    for content in [flat("US"), nested("US")] {
        let place = Place::with(&content);
        let database = CountryDatabase::open(&place.path).unwrap();
        assert_eq!(country(&database, "8.8.8.8").as_deref(), Some("US"));
        assert_eq!(country(&database, "2a00:1450:4001:80b::200e").as_deref(), Some("IE"));
        assert_eq!(country(&database, "::ffff:8.8.8.8").as_deref(), Some("US"));
        for unknown in ["127.0.0.1", "0.0.0.0", "255.255.255.255", "::1", "fe80::1"] {
            assert_eq!(country(&database, unknown), None, "{unknown}");
        }
    }
}

#[test]
fn only_two_letters_are_a_code() {
    let codes = [("us", Some("US")), ("ZZ", None), ("USA", None), ("U1", None), ("ü", None), ("", None)];
    for (code, expected) in codes {
        let place = Place::with(&flat(code));
        let database = CountryDatabase::open(&place.path).unwrap();
        assert_eq!(country(&database, "8.8.8.8").as_deref(), expected, "{code}");
    }
}

#[test]
fn the_database_that_is_shipped_knows_the_great_networks() {
    let shipped = concat!(env!("CARGO_MANIFEST_DIR"), "/data/geo-whois-asn-country.mmdb");
    let database = CountryDatabase::open(shipped.as_ref()).unwrap();
    assert_eq!(country(&database, "8.8.8.8").as_deref(), Some("US"));
    assert_eq!(country(&database, "91.64.0.1").as_deref(), Some("DE"));
    assert_eq!(country(&database, "10.0.0.1"), None);
}

#[test]
fn a_new_file_is_picked_up_at_the_second_look() {
    let place = Place::with(&flat("US"));
    let database = CountryDatabase::open(&place.path).unwrap();
    assert!(matches!(database.reload_if_changed(), Reload::Unchanged));
    place.replace(&nested("CA"));
    assert!(matches!(database.reload_if_changed(), Reload::Settling));
    assert_eq!(country(&database, "8.8.8.8").as_deref(), Some("US"));
    assert!(matches!(database.reload_if_changed(), Reload::Replaced));
    assert_eq!(country(&database, "8.8.8.8").as_deref(), Some("CA"));
    assert!(matches!(database.reload_if_changed(), Reload::Unchanged));
}

#[test]
fn a_broken_file_is_refused_once_and_the_old_one_stays() {
    let place = Place::with(&flat("US"));
    let database = CountryDatabase::open(&place.path).unwrap();
    let mut broken_tree = flat("CA");
    broken_tree[..6].fill(0xFF);
    let mut circle = flat("CA");
    circle[..6].fill(0);
    let half = &flat("CA")[..40];
    for broken in [half, b"", b"no database", &broken_tree, &circle] {
        place.replace(broken);
        assert!(matches!(database.reload_if_changed(), Reload::Settling));
        assert!(matches!(database.reload_if_changed(), Reload::Refused(_)));
        assert!(matches!(database.reload_if_changed(), Reload::Unchanged));
        assert_eq!(country(&database, "8.8.8.8").as_deref(), Some("US"));
    }
    place.replace(&flat("CA"));
    assert!(matches!(database.reload_if_changed(), Reload::Settling));
    assert!(matches!(database.reload_if_changed(), Reload::Replaced));
    assert_eq!(country(&database, "8.8.8.8").as_deref(), Some("CA"));
}

#[test]
fn a_file_that_is_cut_short_or_removed_harms_nobody() {
    let place = Place::with(&flat("US"));
    let database = CountryDatabase::open(&place.path).unwrap();
    OpenOptions::new().write(true).truncate(true).open(&place.path).unwrap();
    assert_eq!(country(&database, "8.8.8.8").as_deref(), Some("US"));
    fs::remove_file(&place.path).unwrap();
    assert!(matches!(database.reload_if_changed(), Reload::Missing));
    assert_eq!(country(&database, "8.8.8.8").as_deref(), Some("US"));
}

#[test]
fn errors_name_the_file_and_what_is_wrong() {
    let error = |path: &std::path::Path| CountryDatabase::open(path).err().unwrap().to_string();
    assert_eq!(
        error("/no/such/country.mmdb".as_ref()),
        "cannot read the country database /no/such/country.mmdb: No such file or directory (os error 2)"
    );
    let text = Place::with(b"no database");
    assert_eq!(
        error(&text.path),
        format!(
            "the country database {} is broken: invalid database: could not find MaxMind DB metadata in file",
            text.path.display()
        )
    );
    let other = Place::with(&database(&[("8.8.8.0", 24, Record::Other)]));
    assert_eq!(
        error(&other.path),
        format!("{} holds no countries: it is a database of type \"Test\"", other.path.display())
    );
}

#[test]
fn the_table_of_blocks_says_what_the_tree_says() {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("data/geo-whois-asn-country.mmdb");
    let (countries, _) = super::Countries::load(&path).unwrap();
    let mut by_table = 0;
    for number in 0..200_000_u32 {
        let address = std::net::Ipv4Addr::from_bits(number.wrapping_mul(2_654_435_761));
        let Some(country) = countries.blocks.country(address) else { continue };
        by_table += 1;
        let found = countries.reader.lookup(address.into()).unwrap();
        assert_eq!(country, super::Shape::Flat.code(&found), "{address}");
    }
    assert!(by_table > 150_000, "{by_table} of 200,000 addresses lie in blocks of one country");
}
