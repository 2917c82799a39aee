//! Which fault strikes when. All of it is drawn from the seed before anything runs, so that the same seed gives the same
//! faults again.

use std::collections::BTreeMap;
use std::time::Duration;

use rand::seq::SliceRandom;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use crate::fault::{Fault, Kind, Line, SEATS, Strike, Target, Whose};
use crate::wire::{Way, Weather};

/// A target is left alone for so long after a fault.
const REST: Duration = Duration::from_secs(1);
/// At least one worker is always left in its seat.
const SEATS_AT_A_TIME: usize = SEATS - 1;
/// How often a place for a fault is looked for before it has to be shorter, or gets one behind all others.
const TRIES: usize = 100;

/// What a run is made of: each part has brokers, a Redis and workers of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Topology {
    ThreeBrokers,
    OneBroker,
}

impl Topology {
    pub const ALL: [Self; 2] = [Self::ThreeBrokers, Self::OneBroker];

    pub fn brokers(self) -> usize {
        match self {
            Self::ThreeBrokers => 3,
            Self::OneBroker => 1,
        }
    }

    pub fn name(self) -> &'static str {
        match self {
            Self::ThreeBrokers => "three brokers",
            Self::OneBroker => "one broker",
        }
    }

    fn own_kind(self) -> Kind {
        match self {
            Self::ThreeBrokers => Kind::KillBroker,
            Self::OneBroker => Kind::RestartBroker,
        }
    }
}

/// How much there is to be.
#[derive(Clone, Copy, Debug)]
pub struct Size {
    pub seed: u64,
    /// In all parts together, those that end the rounds included.
    pub faults: usize,
    /// In each part.
    pub rounds: usize,
    /// Within which the faults of a round strike, save the one that ends it.
    pub round: Duration,
}

/// Faults that overlap, and when all are over, a worker that is killed and not replaced before all is drained.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Round {
    pub strikes: Vec<Strike>,
    /// The seat of the worker whose end ends the round.
    pub last: usize,
}

/// The rounds of each part, in the order of [`Topology::ALL`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Plan(pub [Vec<Round>; 2]);

impl Plan {
    pub fn draw(size: Size) -> Self {
        let mut rng = ChaCha8Rng::seed_from_u64(size.seed);
        let last = size.rounds * Topology::ALL.len();
        let hands = deal(&mut rng, size.faults.saturating_sub(last));
        Self(hands.map(|hand| {
            (0..size.rounds)
                .map(|round| {
                    // Evenly, whatever the remainder.
                    let (from, to) =
                        (hand.len() * round / size.rounds, hand.len() * (round + 1) / size.rounds);
                    draw_round(&mut rng, &hand[from..to], size.round)
                })
                .collect()
        }))
    }

    /// How many faults it takes for one of each kind, and for the end of each round.
    pub fn least_faults(rounds: usize) -> usize {
        Kind::EVERYWHERE.len() + Topology::ALL.len() * (1 + rounds)
    }

    /// How many of each kind there are.
    pub fn count(&self) -> BTreeMap<Kind, usize> {
        let mut counts = BTreeMap::new();
        for round in self.0.iter().flatten() {
            *counts.entry(Kind::KillWorker).or_default() += 1;
            for strike in &round.strikes {
                *counts.entry(strike.fault.kind()).or_default() += 1;
            }
        }
        counts
    }

    /// How many pairs of faults overlap.
    pub fn overlaps(&self) -> usize {
        let rounds = self.0.iter().flatten();
        rounds
            .map(|round| {
                let pairs = round.strikes.iter().enumerate().map(|(place, strike)| {
                    round.strikes[place + 1..].iter().filter(|other| strike.overlaps(other)).count()
                });
                pairs.sum::<usize>()
            })
            .sum()
    }
}

/// Deals kinds to the parts like cards: every kind comes once before any comes again.
fn deal(rng: &mut ChaCha8Rng, count: usize) -> [Vec<Kind>; 2] {
    let mut hands = [Vec::new(), Vec::new()];
    let mut dealt = 0;
    'decks: loop {
        let mut deck: Vec<(Kind, Option<usize>)> = Kind::EVERYWHERE.map(|kind| (kind, None)).into();
        deck.extend(Topology::ALL.iter().enumerate().map(|(part, of)| (of.own_kind(), Some(part))));
        deck.shuffle(rng);
        for (kind, part) in deck {
            if dealt == count {
                break 'decks;
            }
            let shorter = usize::from(hands[1].len() < hands[0].len());
            hands[part.unwrap_or(shorter)].push(kind);
            dealt += 1;
        }
    }
    hands
}

fn draw_round(rng: &mut ChaCha8Rng, kinds: &[Kind], length: Duration) -> Round {
    let mut lasting: Vec<(Kind, Duration)> =
        kinds.iter().map(|&kind| (kind, Duration::from_secs_f64(rng.random_range(kind.seconds())))).collect();
    // The longest find their places first, while there is room.
    lasting.sort_by_key(|(_, lasts)| std::cmp::Reverse(*lasts));
    let mut strikes: Vec<Strike> = Vec::new();
    for (kind, lasts) in lasting {
        let strike = place(rng, &strikes, kind, lasts, length);
        strikes.push(strike);
    }
    strikes.sort_by_key(|strike| strike.at);
    Round { strikes, last: rng.random_range(0..SEATS) }
}

fn place(rng: &mut ChaCha8Rng, others: &[Strike], kind: Kind, lasts: Duration, length: Duration) -> Strike {
    let shortest = Duration::from_secs_f64(kind.seconds().start);
    for lasts in [lasts, shortest.max(lasts / 2), shortest] {
        let room = length.saturating_sub(lasts).as_secs_f64();
        for _ in 0..TRIES {
            let at = Duration::from_secs_f64(if room > 0.0 { rng.random_range(0.0..room) } else { 0.0 });
            let strike = Strike { at, lasts, fault: draw_fault(rng, kind) };
            if fits(&strike, others) {
                return strike;
            }
        }
    }
    let end = others.iter().map(Strike::end).max().unwrap_or_default();
    Strike { at: end + REST, lasts, fault: draw_fault(rng, kind) }
}

fn fits(strike: &Strike, others: &[Strike]) -> bool {
    let with_rest = Strike { lasts: strike.lasts + REST, ..*strike };
    let is_free = others.iter().all(|other| {
        let is_other_target = other.fault.target() != strike.fault.target();
        is_other_target
            || !(with_rest.overlaps(other) || Strike { lasts: other.lasts + REST, ..*other }.overlaps(strike))
    });
    let is_seat = |strike: &Strike| matches!(strike.fault.target(), Target::Seat(_));
    let seats = others.iter().filter(|other| is_seat(other) && other.overlaps(strike)).count();
    // Nothing goes over the wires of a frozen worker.
    let is_heard = others.iter().all(|other| !(is_frozen(strike, other) || is_frozen(other, strike)));
    is_free && is_heard && (!is_seat(strike) || seats < SEATS_AT_A_TIME)
}

fn is_frozen(network: &Strike, worker: &Strike) -> bool {
    match (network.fault, worker.fault) {
        (Fault::Network { whose: Whose::One(one), .. }, Fault::FreezeWorker { seat }) => {
            one == seat && network.overlaps(worker)
        }
        _ => false,
    }
}

fn draw_fault(rng: &mut ChaCha8Rng, kind: Kind) -> Fault {
    let seat = rng.random_range(0..SEATS);
    let is_everyones = rng.random_bool(0.4);
    let network = |line, weather| {
        let whose = if is_everyones { Whose::Everyones } else { Whose::One(seat) };
        Fault::Network { line, whose, weather }
    };
    match kind {
        Kind::KillWorker => Fault::KillWorker { seat },
        Kind::FreezeWorker => Fault::FreezeWorker { seat },
        Kind::StopWorker => Fault::StopWorker { seat },
        Kind::AddWorker => Fault::AddWorker,
        Kind::KillRedis => Fault::KillRedis,
        Kind::FillRedis => Fault::FillRedis,
        Kind::KillBroker => {
            Fault::KillBroker { place: rng.random_range(0..Topology::ThreeBrokers.brokers()) }
        }
        Kind::RestartBroker => Fault::RestartBroker { is_clean: rng.random_bool(0.3) },
        Kind::Cut(line) => network(line, Weather::Cut),
        Kind::CutInMidCall(line) => {
            // An answer is short; a call to Kafka has the size of some lines at least.
            let call = if line == Line::Kafka { 1500 } else { 500 };
            let (way, most) = if rng.random_bool(0.5) { (Way::ToServer, call) } else { (Way::ToWorker, 200) };
            network(line, Weather::CutAfter(way, rng.random_range(1..most)))
        }
        Kind::SilentBothWays(line) => network(line, silence(rng, Way::Both)),
        Kind::SilentOneWay(line) => {
            let way = if rng.random_bool(0.5) { Way::ToServer } else { Way::ToWorker };
            network(line, silence(rng, way))
        }
        Kind::Slow(line) => {
            let delay = Duration::from_millis(rng.random_range(20..200));
            network(line, Weather::Slow(delay))
        }
    }
}

fn silence(rng: &mut ChaCha8Rng, way: Way) -> Weather {
    if rng.random_bool(0.5) { Weather::Late(way) } else { Weather::Lost(way) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn size(seed: u64) -> Size {
        Size { seed, faults: 200, rounds: 8, round: Duration::from_secs(60) }
    }

    #[test]
    fn a_seed_gives_the_same_faults_again_and_another_seed_others() {
        assert_eq!(Plan::draw(size(1)), Plan::draw(size(1)));
        assert_ne!(Plan::draw(size(1)), Plan::draw(size(2)));
    }

    #[test]
    fn a_plan_holds_as_many_faults_as_were_asked_for_and_every_kind() {
        for seed in 0..20 {
            let counts = Plan::draw(size(seed)).count();
            assert_eq!(counts.values().sum::<usize>(), 200);
            assert_eq!(counts.len(), Kind::EVERYWHERE.len() + 2);
            assert!(counts.values().all(|&count| count >= 10), "{counts:?}");
        }
    }

    #[test]
    fn the_smallest_plan_holds_every_kind() {
        let smallest = |seed| Size { seed, faults: Plan::least_faults(2), rounds: 2, ..size(seed) };
        assert!((0..20).all(|seed| Plan::draw(smallest(seed)).count().len() == Kind::EVERYWHERE.len() + 2));
    }

    #[test]
    fn faults_overlap_but_never_at_one_target() {
        for seed in 0..20 {
            let plan = Plan::draw(size(seed));
            assert!(plan.overlaps() > 100, "{}", plan.overlaps());
            for round in plan.0.iter().flatten() {
                for (place, strike) in round.strikes.iter().enumerate() {
                    let rest = &round.strikes[place + 1..];
                    let mut same = rest.iter().filter(|other| other.fault.target() == strike.fault.target());
                    assert!(same.all(|other| !other.overlaps(strike)), "{:#?}", round.strikes);
                }
            }
        }
    }

    #[test]
    fn each_part_has_the_faults_of_its_own_brokers_only() {
        let Plan([three, one]) = Plan::draw(size(3));
        let has = |rounds: &[Round], kind| {
            rounds.iter().flat_map(|round| &round.strikes).any(|strike| strike.fault.kind() == kind)
        };
        assert!(has(&three, Kind::KillBroker) && !has(&three, Kind::RestartBroker));
        assert!(has(&one, Kind::RestartBroker) && !has(&one, Kind::KillBroker));
    }
}
