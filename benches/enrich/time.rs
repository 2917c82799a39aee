//! How long a line takes in each part of the enrichment; see `docs/bench/micro.md`.

mod cases;

use std::time::{Duration, Instant};

use cases::Case;
use criterion::{Criterion, criterion_group, criterion_main};

fn measure<C: Case>(criterion: &mut Criterion, name: &str) {
    let mut case = C::warm();
    criterion.bench_function(name, |bencher| {
        bencher.iter_custom(|passes| {
            let mut took = Duration::ZERO;
            for _ in 0..passes {
                case.prepare();
                let start = Instant::now();
                case.pass();
                took += start.elapsed();
            }
            // What is shown is the time of one line.
            took / cases::ITEMS
        });
    });
}

fn all(criterion: &mut Criterion) {
    measure::<cases::Parse>(criterion, "parse");
    measure::<cases::Country>(criterion, "country");
    measure::<cases::Device>(criterion, "device");
    measure::<cases::DeviceCached>(criterion, "device_cached");
    measure::<cases::Message>(criterion, "message");
    measure::<cases::EnrichWarm>(criterion, "enrich_warm");
    measure::<cases::EnrichFresh>(criterion, "enrich_fresh");
}

criterion_group!(enrich, all);
criterion_main!(enrich);
