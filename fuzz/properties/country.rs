//! The look-up of a country, in the database that is shipped and in any file that someone names.

use std::fs;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::path::{Path, PathBuf};
use std::sync::LazyLock;

use kafkastore::enrich::country::{CountryCode, CountryDatabase};
use maxminddb::{LookupResult, PathElement, Reader};

const SHIPPED: &str = "data/geo-whois-asn-country.mmdb";
const NESTED: &[PathElement<'_>] = &[PathElement::Key("country"), PathElement::Key("iso_code")];
const FLAT: &[PathElement<'_>] = &[PathElement::Key("country_code")];

struct Shipped {
    database: CountryDatabase,
    reader: Reader<Vec<u8>>,
}

static SHIPPED_DATABASE: LazyLock<Shipped> = LazyLock::new(|| Shipped {
    database: CountryDatabase::open(Path::new(SHIPPED)).unwrap(),
    reader: Reader::open_readfile(SHIPPED).unwrap(),
});

/// Where the file of this process stands.
static FILE: LazyLock<PathBuf> =
    LazyLock::new(|| std::env::temp_dir().join(format!("kafkastore-fuzz-{}.mmdb", std::process::id())));

/// The first 16 bytes are an address, the others a file: either it is refused, or it answers as the reader of such
/// files does by itself.
pub fn holds(input: &[u8]) {
    let Some((bits, file)) = input.split_first_chunk() else { return };
    let bits = u128::from_be_bytes(*bits);
    let addresses: [IpAddr; 2] =
        [Ipv4Addr::from_bits((bits >> 96) as u32).into(), Ipv6Addr::from_bits(bits).into()];
    for address in addresses {
        let Shipped { database, reader } = &*SHIPPED_DATABASE;
        assert_eq!(database.country(address), by_reader(reader, address, FLAT), "{address}");
    }
    if file.is_empty() {
        return;
    }
    fs::write(&*FILE, file).unwrap();
    let opened = CountryDatabase::open(&FILE);
    fs::remove_file(&*FILE).unwrap();
    match opened {
        Ok(database) => {
            let reader = Reader::from_source(file.to_vec()).unwrap();
            for address in addresses {
                let country = database.country(address);
                let is_known =
                    [NESTED, FLAT].iter().any(|place| country == by_reader(&reader, address, place));
                assert!(is_known, "{address}");
            }
        }
        Err(error) => {
            let line = error.to_string();
            assert!(!line.contains(char::is_control), "{line:?} is no plain line");
        }
    }
}

fn by_reader(reader: &Reader<Vec<u8>>, address: IpAddr, place: &[PathElement<'_>]) -> Option<CountryCode> {
    let found = reader.lookup(address.to_canonical()).ok().filter(LookupResult::has_data)?;
    found.decode_path::<&str>(place).ok().flatten().and_then(CountryCode::parse)
}
