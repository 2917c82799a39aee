//! Which slots hold batches, read without writing anything.

use std::collections::BTreeMap;

use super::batch::{Delivery, Entry, FORMAT};
use super::server::Link;

/// A slot with batches in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Occupied {
    pub slot: u64,
    pub batches: usize,
    /// Whether someone holds its lease.
    pub is_leased: bool,
    /// Whether this release knows the form and the delivery mode of all its batches.
    pub is_known: bool,
    /// Whether Kafka must be asked which of its batches have been delivered.
    pub has_exactly_once: bool,
}

/// Reads all slots that hold batches, by number.
///
/// # Errors
/// When Redis does not answer, or the hash of batches names something that is no batch.
pub async fn read(link: &mut Link) -> Result<Vec<Occupied>, super::Error> {
    let keys = link.server().keys().clone();
    let mut pipeline = redis::pipe();
    pipeline.hgetall(&keys.batches);
    let (batches,): (BTreeMap<String, String>,) = link.query(&pipeline).await?;
    let mut slots = group(&batches)?;
    if slots.is_empty() {
        return Ok(slots);
    }
    let mut pipeline = redis::pipe();
    for slot in &slots {
        pipeline.exists(keys.lease(slot.slot));
    }
    let leased: Vec<bool> = link.query(&pipeline).await?;
    for (slot, is_leased) in slots.iter_mut().zip(leased) {
        slot.is_leased = is_leased;
    }
    Ok(slots)
}

fn group(batches: &BTreeMap<String, String>) -> Result<Vec<Occupied>, super::Error> {
    let mut slots: BTreeMap<u64, Occupied> = BTreeMap::new();
    for (field, entry) in batches {
        let number = field.split_once(':').and_then(|(slot, _)| slot.parse().ok());
        let number = number.ok_or_else(|| super::Error::Answer(format!("{field:?} is no batch")))?;
        let new =
            Occupied { slot: number, batches: 0, is_leased: false, is_known: true, has_exactly_once: false };
        let slot = slots.entry(number).or_insert(new);
        slot.batches += 1;
        let entry: Option<Entry> = entry.parse().ok();
        slot.is_known &= entry.as_ref().is_some_and(|entry| entry.format <= FORMAT);
        slot.has_exactly_once |= entry.is_some_and(|entry| entry.mode == Delivery::ExactlyOnce);
    }
    Ok(slots.into_values().collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn batches_are_grouped_by_slot_and_foreign_forms_are_seen() {
        let batches = [
            ("0:7", "1 1465287057000001 at-least-once 0 - -"),
            ("0:8", "1 1465287057000002 at-least-once 0 - -"),
            ("10:5", "3 1465287057000002 at-least-once 0 - - 10:5 7 0"),
            ("2:5", "2 1465287057000002 exactly-once 0 - - 0:7 10 7"),
            ("3:5", "1 1465287057000002 at-most-once 0 - -"),
        ];
        let batches = batches.map(|(field, entry)| (field.to_owned(), entry.to_owned())).into();
        let slots = group(&batches).unwrap();
        let found: Vec<_> = slots
            .iter()
            .map(|slot| (slot.slot, slot.batches, slot.is_known, slot.has_exactly_once))
            .collect();
        let expected = [(0, 2, true, false), (2, 1, true, true), (3, 1, false, false), (10, 1, false, false)];
        assert_eq!(found, expected);
    }

    #[test]
    fn what_is_no_batch_is_an_error() {
        assert!(group(&[("x".to_owned(), "1".to_owned())].into()).is_err());
    }
}
