//! `/metrics`: what all workers have counted and how full everything is, in the text format of Prometheus.

use std::sync::Arc;

use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use prometheus::proto::{
    Bucket, Counter as CounterValue, Gauge, Histogram, LabelPair, Metric, MetricFamily, MetricType,
};
use prometheus::{Encoder as _, TEXT_FORMAT, TextEncoder};

use super::access::Permitted;
use super::snapshot::Snapshot;
use super::source::{Away, Source};
use super::{Web, text};
use crate::queue::history::Totals;
use crate::stats::Counter;
use crate::stats::histogram::{Distribution, Spread};

/// Counters that have a metric of their own.
const COUNTERS: [(Counter, &str, &str); 7] = [
    (Counter::Batches, "kafkastore_batches_total", "Batches delivered."),
    (
        Counter::Failed,
        "kafkastore_failed_lines_total",
        "Times that a line had to be sent again, or was refused.",
    ),
    (Counter::KafkaErrors, "kafkastore_kafka_errors_total", "Troubles that the Kafka client has told of."),
    (Counter::KafkaRetries, "kafkastore_kafka_retries_total", "Requests that the Kafka client has repeated."),
    (Counter::CacheHits, "kafkastore_device_cache_hits_total", "User agents whose device was known."),
    (Counter::CacheMisses, "kafkastore_device_cache_misses_total", "User agents that had to be looked at."),
    (Counter::Recoveries, "kafkastore_recoveries_total", "Slots taken over from workers that had gone."),
];

const STAGES: [Distribution; 3] = [Distribution::Read, Distribution::Enrich, Distribution::Deliver];

pub(super) async fn get(_: Permitted, State(web): State<Arc<Web>>) -> Response {
    let (snapshots, totals) = (web.snapshots().await, web.totals().await);
    let mut encoded = Vec::new();
    match TextEncoder::new().encode(&families(&web.sources, &snapshots, &totals), &mut encoded) {
        Ok(()) => {
            let headers = [(header::CONTENT_TYPE, TEXT_FORMAT), (header::CACHE_CONTROL, "no-store")];
            (headers, encoded).into_response()
        }
        Err(error) => {
            tracing::error!(%error, "metrics cannot be written");
            text(StatusCode::INTERNAL_SERVER_ERROR, "metrics cannot be written\n")
        }
    }
}

/// A family without samples is left out: the encoder refuses it.
fn families(
    sources: &[Arc<Source>],
    snapshots: &[Result<Arc<Snapshot>, Away>],
    totals: &[Result<Arc<Totals>, Away>],
) -> Vec<MetricFamily> {
    let names = sources.iter().map(|source| source.name());
    let counted: Vec<(&str, &Totals)> =
        names.zip(totals).filter_map(|(name, totals)| Some((name, totals.as_deref().ok()?))).collect();

    let answered: Vec<(&str, &Snapshot)> = sources
        .iter()
        .zip(snapshots)
        .filter_map(|(source, snapshot)| Some((source.name(), snapshot.as_deref().ok()?)))
        .collect();
    let up = sources
        .iter()
        .zip(snapshots)
        .map(|(source, snapshot)| gauge(f64::from(u8::from(snapshot.is_ok())), &[("server", source.name())]));
    let version = gauge(1.0, &[("version", env!("CARGO_PKG_VERSION"))]);
    let mut families = vec![
        family("kafkastore_build_info", "The version of the web process.", MetricType::GAUGE, vec![version]),
        family("kafkastore_redis_up", "Whether Redis answers.", MetricType::GAUGE, up.collect()),
    ];
    type Value = fn(&Snapshot) -> Option<f64>;
    let gauges: [(&str, &str, Value); 6] = [
        ("kafkastore_queue_lines", "Lines that wait.", |now| Some(now.status.depth as f64)),
        ("kafkastore_in_flight_lines", "Lines reserved and not acknowledged.", |now| {
            Some(now.status.in_flight as f64)
        }),
        ("kafkastore_invalid_lines", "Lines in the invalid list.", |now| Some(now.status.invalid as f64)),
        (
            "kafkastore_oldest_seconds",
            "Age of the event at the head of the queue; absent when it is empty.",
            |now| now.status.oldest_seconds.map(|seconds| seconds as f64),
        ),
        ("kafkastore_paused", "Whether workers are told to reserve nothing.", |now| {
            Some(f64::from(u8::from(now.status.is_paused)))
        }),
        ("kafkastore_workers", "Workers that live.", |now| Some(now.status.living_workers() as f64)),
    ];
    for (name, help, value) in gauges {
        let metrics =
            answered.iter().filter_map(|(server, now)| Some(gauge(value(now)?, &[("server", *server)])));
        families.push(family(name, help, MetricType::GAUGE, metrics.collect()));
    }
    for (which, name, help) in COUNTERS {
        let metrics = counted.iter().map(|(server, now)| {
            counter(now.counters.get(&which).copied().unwrap_or_default(), &[("server", *server)])
        });
        families.push(family(name, help, MetricType::COUNTER, metrics.collect()));
    }
    families.extend(by_name(&counted));
    families.extend(histograms(&counted));
    families.retain(|family| !family.get_metric().is_empty());
    families
}

/// What is counted exactly, by topic and by reason.
fn by_name(counted: &[(&str, &Totals)]) -> [MetricFamily; 3] {
    let by_topic = |value: fn(&(u64, u64)) -> u64| {
        let of_server = move |(server, now): &(&str, &Totals)| {
            let metric = |(topic, counts): (&String, &(u64, u64))| {
                counter(value(counts), &[("server", *server), ("topic", topic.as_str())])
            };
            now.topics.iter().map(metric).collect::<Vec<_>>()
        };
        counted.iter().flat_map(of_server).collect()
    };
    let by_reason = counted.iter().flat_map(|(server, now)| {
        let metric = |(reason, lines): (&String, &u64)| {
            counter(*lines, &[("server", *server), ("reason", reason.as_str())])
        };
        now.rejected.iter().map(metric).collect::<Vec<_>>()
    });
    [
        family(
            "kafkastore_events_total",
            "Lines delivered to Kafka.",
            MetricType::COUNTER,
            by_topic(|it| it.0),
        ),
        family(
            "kafkastore_event_bytes_total",
            "Bytes of the messages delivered to Kafka.",
            MetricType::COUNTER,
            by_topic(|it| it.1),
        ),
        family(
            "kafkastore_rejected_lines_total",
            "Lines rejected.",
            MetricType::COUNTER,
            by_reason.collect(),
        ),
    ]
}

fn histograms(counted: &[(&str, &Totals)]) -> [MetricFamily; 3] {
    let of = |which: Distribution, labels: &[(&str, &str)]| {
        let metric = |(server, now): &(&str, &Totals)| {
            let labels = [&[("server", *server)], labels].concat();
            Some(histogram(which, now.spreads.get(&which)?, &labels))
        };
        counted.iter().filter_map(metric).collect::<Vec<_>>()
    };
    let stages = STAGES.iter().flat_map(|&stage| of(stage, &[("stage", stage.name())]));
    [
        family(
            "kafkastore_batch_lines",
            "Lines of a batch.",
            MetricType::HISTOGRAM,
            of(Distribution::BatchLines, &[]),
        ),
        family(
            "kafkastore_stage_seconds",
            "Time a batch takes in each stage.",
            MetricType::HISTOGRAM,
            stages.collect(),
        ),
        family(
            "kafkastore_lag_seconds",
            "Time between an event and its reservation, estimated from up to 32 lines of each batch.",
            MetricType::HISTOGRAM,
            of(Distribution::Lag, &[]),
        ),
    ]
}

fn family(name: &str, help: &str, kind: MetricType, metrics: Vec<Metric>) -> MetricFamily {
    let mut family = MetricFamily::default();
    family.set_name(name.to_owned());
    family.set_help(help.to_owned());
    family.set_field_type(kind);
    family.set_metric(metrics);
    family
}

fn metric(labels: &[(&str, &str)]) -> Metric {
    let pair = |(name, value): &(&str, &str)| {
        let mut pair = LabelPair::default();
        pair.set_name((*name).to_owned());
        pair.set_value((*value).to_owned());
        pair
    };
    let mut metric = Metric::default();
    metric.set_label(labels.iter().map(pair).collect());
    metric
}

fn gauge(value: f64, labels: &[(&str, &str)]) -> Metric {
    let mut inner = Gauge::default();
    inner.set_value(value);
    let mut metric = metric(labels);
    metric.set_gauge(inner);
    metric
}

fn counter(value: u64, labels: &[(&str, &str)]) -> Metric {
    let mut inner = CounterValue::default();
    inner.set_value(value as f64);
    let mut metric = metric(labels);
    metric.set_counter(inner);
    metric
}

fn histogram(which: Distribution, spread: &Spread, labels: &[(&str, &str)]) -> Metric {
    let mut upto = 0;
    let buckets = which.bounds().iter().zip(&spread.counts).map(|(bound, count)| {
        upto += count;
        let mut bucket = Bucket::default();
        bucket.set_upper_bound(*bound);
        bucket.set_cumulative_count(upto);
        bucket
    });
    let mut inner = Histogram::default();
    inner.set_bucket(buckets.collect());
    inner.set_sample_count(spread.total());
    inner.set_sample_sum(spread.sum_millionths as f64 / 1e6);
    let mut metric = metric(labels);
    metric.set_histogram(inner);
    metric
}
