//! Tests of what the benchmark reckons; a target of their own, since a benchmark cannot have any.

mod statistics;

use std::collections::HashMap;

use statistics::{median, median_interval, order_of_turns, percentile};

#[test]
fn the_median_lies_in_the_middle() {
    assert_eq!(median(&[3.0, 1.0, 2.0]), 2.0);
    assert_eq!(median(&[4.0, 1.0, 2.0, 3.0]), 2.5);
    assert_eq!(median(&[7.0]), 7.0);
}

#[test]
fn the_interval_has_the_ranks_of_the_tables() {
    let ranks = |count: u32| {
        let values: Vec<f64> = (1..=count).rev().map(f64::from).collect();
        median_interval(&values)
    };
    // As the tables of the sign test have them.
    for (count, first, last) in
        [(6, 1.0, 6.0), (8, 1.0, 8.0), (9, 2.0, 8.0), (15, 4.0, 12.0), (20, 6.0, 15.0)]
    {
        assert_eq!(ranks(count), Some((first, last)), "{count}");
    }
    for too_few in 0..6 {
        assert_eq!(ranks(too_few), None);
    }
}

#[test]
fn a_percentile_is_one_of_the_values() {
    let values: Vec<u32> = (0..100).collect();
    assert_eq!([0.0, 0.5, 0.99, 1.0].map(|share| percentile(&values, share)), [0, 50, 99, 99]);
    assert_eq!(percentile(&[5], 0.5), 5);
}

#[test]
fn everyone_comes_equally_often_in_each_place_and_after_each_other() {
    for contenders in 2..=11 {
        let rounds = if contenders % 2 == 0 { contenders } else { 2 * contenders };
        let mut places = HashMap::new();
        let mut followed = HashMap::new();
        for round in 0..rounds {
            let order = order_of_turns(round, contenders);
            for (place, contender) in order.iter().enumerate() {
                *places.entry((place, *contender)).or_insert(0) += 1;
            }
            for pair in order.windows(2) {
                *followed.entry((pair[0], pair[1])).or_insert(0) += 1;
            }
        }
        let per_pair = rounds / contenders;
        assert_eq!(places.len(), contenders * contenders, "{contenders}");
        assert!(places.values().all(|times| *times == per_pair), "{contenders}: {places:?}");
        assert_eq!(followed.len(), contenders * (contenders - 1), "{contenders}");
        assert!(followed.values().all(|times| *times == per_pair), "{contenders}: {followed:?}");
    }
}
