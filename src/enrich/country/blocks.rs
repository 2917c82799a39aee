//! The IPv4 part of a database by blocks of 4,096 addresses: most blocks lie in one country, and for those a look or two
//! into small tables stand in for a walk down the tree with a cache miss at nearly every step.

use std::net::Ipv4Addr;

use super::CountryCode;

/// Prefix length of a block.
const BLOCK_PREFIX: u8 = 20;
const BLOCKS: usize = 1 << BLOCK_PREFIX;
/// A block in which several networks lie.
const MIXED: u8 = u8::MAX;
/// How many blocks lie side by side in a group.
const GROUP: usize = 16;
/// From here on a group stands for blocks one by one; below, for a place that they share.
const NESTED: u16 = 1 << u8::BITS;

pub(super) struct Blocks {
    /// For each group: the place that all its blocks have, or, from [`NESTED`] on, where they stand one by one. Nearly
    /// all groups have one place, so that hardly more than this table is looked at, and it stays in the processor's cache.
    groups: Vec<u16>,
    nested: Vec<[u8; GROUP]>,
    countries: Vec<Option<CountryCode>>,
}

impl Blocks {
    /// Fills the tables; `network_of` gives the prefix length of the network that an address is in, and its country.
    pub(super) fn build<E>(
        network_of: impl Fn(Ipv4Addr) -> Result<(u8, Option<CountryCode>), E>,
    ) -> Result<Self, E> {
        let mut blocks = Self { groups: Vec::new(), nested: Vec::new(), countries: Vec::new() };
        // For each block the place of its country, or `MIXED`.
        let mut places = vec![MIXED; BLOCKS];
        let mut block = 0;
        while block < BLOCKS {
            let (prefix, country) = network_of(Ipv4Addr::from_bits((block as u32) << (32 - BLOCK_PREFIX)))?;
            let length = 1 << BLOCK_PREFIX.saturating_sub(prefix);
            if prefix <= BLOCK_PREFIX {
                let place = blocks.place_of(country);
                places[block..block + length].fill(place);
            }
            block += length;
        }
        let (groups, _) = places.as_chunks();
        blocks.groups = groups.iter().map(|group| blocks.add_group(group)).collect();
        Ok(blocks)
    }

    /// What stands for a group. More nested ones than there are numbers for are looked up in the tree.
    fn add_group(&mut self, places: &[u8; GROUP]) -> u16 {
        if places.iter().all(|place| *place == places[0]) {
            return places[0].into();
        }
        let Ok(group) = u16::try_from(usize::from(NESTED) + self.nested.len()) else { return MIXED.into() };
        self.nested.push(*places);
        group
    }

    /// The country of an address, or nothing when its block is mixed.
    pub(super) fn country(&self, address: Ipv4Addr) -> Option<Option<CountryCode>> {
        let block = (address.to_bits() >> (32 - BLOCK_PREFIX)) as usize;
        let group = self.groups[block / GROUP];
        let place = match group.checked_sub(NESTED) {
            Some(nested) => self.nested[usize::from(nested)][block % GROUP],
            None => u8::try_from(group).unwrap_or(MIXED),
        };
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
