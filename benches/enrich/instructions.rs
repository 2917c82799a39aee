//! How many instructions each part of the enrichment takes for its lines; see `docs/bench/micro.md`.

mod cases;

use cases::{Case, Country, Device, DeviceCached, EnrichFresh, EnrichWarm, Message, Parse};
use gungraun::{
    Callgrind, EventKind, LibraryBenchmarkConfig, library_benchmark, library_benchmark_group, main,
};

// Gives the case back, so that what it takes to drop it is not counted.
#[library_benchmark]
#[bench::parse(Parse::warm())]
#[bench::country(Country::warm())]
#[bench::device(Device::warm())]
#[bench::device_cached(DeviceCached::warm())]
#[bench::message(Message::warm())]
#[bench::enrich_warm(EnrichWarm::warm())]
#[bench::enrich_fresh(EnrichFresh::warm())]
fn pass<C: Case>(mut case: C) -> C {
    case.pass();
    case
}

library_benchmark_group!(name = enrich, benchmarks = pass);
main!(
    config = LibraryBenchmarkConfig::default()
        .tool(Callgrind::default().format([EventKind::Ir, EventKind::EstimatedCycles])),
    library_benchmark_groups = enrich
);
