//! The IPv4 part of a database by blocks of 4,096 addresses: most blocks lie in one country, and for those one look
//! into a table stands in for a walk down the tree with a cache miss at nearly every step.

use std::net::Ipv4Addr;

use super::CountryCode;

/// Prefix length of a block.
const BLOCK_PREFIX: u8 = 20;
const BLOCKS: usize = 1 << BLOCK_PREFIX;
/// A block in which several networks lie.
const MIXED: u8 = u8::MAX;

pub(super) struct Blocks {
    /// For each block the place of its country, or [`MIXED`].
    places: Vec<u8>,
    countries: Vec<Option<CountryCode>>,
}

impl Blocks {
    /// Fills the table; `network_of` gives the prefix length of the network that an address is in, and its country.
    pub(super) fn build<E>(
        network_of: impl Fn(Ipv4Addr) -> Result<(u8, Option<CountryCode>), E>,
    ) -> Result<Self, E> {
        let mut blocks = Self { places: vec![MIXED; BLOCKS], countries: Vec::new() };
        let mut block = 0;
        while block < BLOCKS {
            let (prefix, country) = network_of(Ipv4Addr::from_bits((block as u32) << (32 - BLOCK_PREFIX)))?;
            let length = 1 << BLOCK_PREFIX.saturating_sub(prefix);
            if prefix <= BLOCK_PREFIX {
                let place = blocks.place_of(country);
                blocks.places[block..block + length].fill(place);
            }
            block += length;
        }
        Ok(blocks)
    }

    /// The country of an address, or nothing when its block is mixed.
    pub(super) fn country(&self, address: Ipv4Addr) -> Option<Option<CountryCode>> {
        let place = self.places[(address.to_bits() >> (32 - BLOCK_PREFIX)) as usize];
        self.countries.get(usize::from(place)).copied()
    }

    /// More countries than there are places for are looked up in the tree.
    fn place_of(&mut self, country: Option<CountryCode>) -> u8 {
        let known = self.countries.iter().position(|&known| known == country);
        let place = known.unwrap_or(self.countries.len());
        if place == self.countries.len() && place < usize::from(MIXED) {
            self.countries.push(country);
        }
        u8::try_from(place).unwrap_or(MIXED)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_block_in_one_network_has_its_country_and_any_other_is_mixed() {
        let code = CountryCode::parse;
        let blocks = Blocks::build::<()>(|address| {
            Ok(match address.octets() {
                [0..=127, ..] => (1, None),
                [128, 0, 0..=15, _] => (24, code("US")),
                [128, 0, 16..=31, _] => (20, code("FR")),
                [128, 0, 32..=63, _] => (19, code("DE")),
                [128, ..] => (20, None),
                _ => (8, code("JP")),
            })
        })
        .unwrap();
        for (address, expected) in [
            ("0.0.0.0", Some(None)),
            ("127.255.255.255", Some(None)),
            ("128.0.0.1", None),
            ("128.0.15.255", None),
            ("128.0.16.0", Some(code("FR"))),
            ("128.0.63.255", Some(code("DE"))),
            ("128.0.64.0", Some(None)),
            ("255.255.255.255", Some(code("JP"))),
        ] {
            assert_eq!(blocks.country(address.parse().unwrap()), expected, "{address}");
        }
    }
}
