//! The worker and the bare copy in turn, on the same lines.

use crate::contender::{Contender, Settings};
use crate::load::Load;
use crate::run::{Run, run};
use crate::servers::Servers;
use crate::statistics::{median, order_of_turns};
use crate::tables;

/// All runs on the same lines.
pub struct Throughput {
    pub load: Load,
    pub series: Vec<Series>,
    /// The place of the limit: the copy whose rate is the better, by the median.
    limit: usize,
}

/// The runs of one contender, one a round.
pub struct Series {
    pub name: &'static str,
    pub runs: Vec<Run>,
}

impl Series {
    pub fn median(&self, figure: impl Fn(&Run) -> f64) -> f64 {
        median(&self.figures(figure))
    }

    pub fn most(&self, figure: impl Fn(&Run) -> u64) -> u64 {
        self.runs.iter().map(figure).max().unwrap_or_default()
    }

    fn figures(&self, figure: impl Fn(&Run) -> f64) -> Vec<f64> {
        self.runs.iter().map(figure).collect()
    }
}

impl Throughput {
    /// The bare copy that the others are measured against.
    pub fn limit(&self) -> &Series {
        &self.series[self.limit]
    }

    pub fn series_of(&self, name: &str) -> Option<&Series> {
        self.series.iter().find(|series| series.name == name)
    }

    /// Returns a figure as a part of the limit's in the same round, round by round: the machine's own speed drifts.
    pub fn ratios(&self, series: &Series, figure: impl Fn(&Run) -> f64) -> Vec<f64> {
        series.runs.iter().zip(&self.limit().runs).map(|(run, limit)| figure(run) / figure(limit)).collect()
    }
}

/// Bare copies, and workers that deliver in these ways.
pub fn contenders(deliveries: &[&'static str]) -> Vec<Contender> {
    let copies = [Contender::copy("copy, one loop", 1), Contender::copy("copy, two loops", 2)];
    copies.into_iter().chain(deliveries.iter().map(|delivery| Contender::worker(delivery))).collect()
}

/// Measures `rounds` rounds after others that warm up the broker: its compiler needs some millions of messages.
pub fn measure(
    servers: &mut Servers,
    contenders: &[Contender],
    settings: &Settings,
    load: Load,
    warm_up_rounds: usize,
    rounds: usize,
) -> Throughput {
    let mut series: Vec<Series> =
        contenders.iter().map(|contender| Series { name: contender.name, runs: Vec::new() }).collect();
    eprintln!("{}", tables::load(&load));
    for round in 0..warm_up_rounds + rounds {
        for place in order_of_turns(round, contenders.len()) {
            let contender = &contenders[place];
            let ran = run(servers, contender, settings, &load);
            let number = round.checked_sub(warm_up_rounds);
            let round = number.map_or("warm-up".to_owned(), |number| format!("round {}", number + 1));
            eprintln!("{round}, {}: {}", contender.name, ran.told());
            if number.is_some() {
                series[place].runs.push(ran);
            }
        }
    }
    let rate = |place: &usize| series[*place].median(|run| run.rate);
    let copies = (0..contenders.len()).filter(|place| contenders[*place].is_copy);
    let limit = copies.max_by(|one, other| rate(one).total_cmp(&rate(other))).expect("a copy is among them");
    Throughput { load, series, limit }
}
