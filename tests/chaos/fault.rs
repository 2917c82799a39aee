//! The faults there are.

use std::fmt;
use std::time::Duration;

use crate::wire::{Way, Weather};

/// Places for workers. One more is for a worker that is added.
pub const SEATS: usize = 3;
pub const SPARE_SEAT: usize = SEATS;

/// A fault, drawn in all its details.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// SIGKILL; another takes its seat when the fault is over.
    KillWorker { seat: usize },
    /// SIGSTOP, and SIGCONT when the fault is over.
    FreezeWorker { seat: usize },
    /// SIGTERM; another takes its seat when the fault is over.
    StopWorker { seat: usize },
    /// A worker comes and goes.
    AddWorker,
    /// SIGKILL, and a restart when the fault is over.
    KillRedis,
    /// Its memory limit is just below what it uses.
    FillRedis,
    /// SIGKILL of one broker of three, and a restart when the fault is over.
    KillBroker { place: usize },
    /// SIGKILL or SIGTERM of the only broker, and a restart when the fault is over.
    RestartBroker { is_clean: bool },
    /// Between workers and one of their servers.
    Network { line: Line, whose: Whose, weather: Weather },
}

/// Which of a worker's lines.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Line {
    Kafka,
    Redis,
}

/// Whose line it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Whose {
    One(usize),
    Everyones,
}

/// What kind of fault it is, for counting.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Kind {
    KillWorker,
    FreezeWorker,
    StopWorker,
    AddWorker,
    KillRedis,
    FillRedis,
    KillBroker,
    RestartBroker,
    Cut(Line),
    CutInMidCall(Line),
    SilentBothWays(Line),
    SilentOneWay(Line),
    Slow(Line),
}

/// What can have one fault at a time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Target {
    Seat(usize),
    Redis,
    Brokers,
    Line(Line),
}

impl Kind {
    /// Those that strike wherever there are workers and servers.
    pub const EVERYWHERE: [Self; 16] = [
        Self::KillWorker,
        Self::FreezeWorker,
        Self::StopWorker,
        Self::AddWorker,
        Self::KillRedis,
        Self::FillRedis,
        Self::Cut(Line::Kafka),
        Self::CutInMidCall(Line::Kafka),
        Self::SilentBothWays(Line::Kafka),
        Self::SilentOneWay(Line::Kafka),
        Self::Slow(Line::Kafka),
        Self::Cut(Line::Redis),
        Self::CutInMidCall(Line::Redis),
        Self::SilentBothWays(Line::Redis),
        Self::SilentOneWay(Line::Redis),
        Self::Slow(Line::Redis),
    ];

    /// Shortest and longest time in seconds.
    pub fn seconds(self) -> std::ops::Range<f64> {
        match self {
            // Longer than a lease.
            Self::FreezeWorker => 17.0..20.0,
            Self::KillWorker | Self::StopWorker => 0.5..5.0,
            Self::AddWorker => 3.0..10.0,
            Self::KillRedis => 0.2..4.0,
            Self::FillRedis => 2.0..6.0,
            Self::KillBroker | Self::RestartBroker => 1.0..6.0,
            // At times longer than a lease.
            Self::SilentBothWays(Line::Redis) | Self::SilentOneWay(Line::Redis) => 2.0..19.0,
            Self::CutInMidCall(_) => 1.0..3.0,
            Self::Cut(_) | Self::SilentBothWays(_) | Self::SilentOneWay(_) | Self::Slow(_) => 2.0..8.0,
        }
    }
}

impl Fault {
    pub fn kind(self) -> Kind {
        match self {
            Self::KillWorker { .. } => Kind::KillWorker,
            Self::FreezeWorker { .. } => Kind::FreezeWorker,
            Self::StopWorker { .. } => Kind::StopWorker,
            Self::AddWorker => Kind::AddWorker,
            Self::KillRedis => Kind::KillRedis,
            Self::FillRedis => Kind::FillRedis,
            Self::KillBroker { .. } => Kind::KillBroker,
            Self::RestartBroker { .. } => Kind::RestartBroker,
            Self::Network { line, weather, .. } => match weather {
                Weather::Fair | Weather::Cut => Kind::Cut(line),
                Weather::CutAfter(..) => Kind::CutInMidCall(line),
                Weather::Late(Way::Both) | Weather::Lost(Way::Both) => Kind::SilentBothWays(line),
                Weather::Late(_) | Weather::Lost(_) => Kind::SilentOneWay(line),
                Weather::Slow(_) => Kind::Slow(line),
            },
        }
    }

    pub fn target(self) -> Target {
        match self {
            Self::KillWorker { seat } | Self::FreezeWorker { seat } | Self::StopWorker { seat } => {
                Target::Seat(seat)
            }
            Self::AddWorker => Target::Seat(SPARE_SEAT),
            Self::KillRedis | Self::FillRedis => Target::Redis,
            Self::KillBroker { .. } | Self::RestartBroker { .. } => Target::Brokers,
            Self::Network { line, .. } => Target::Line(line),
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::KillWorker => formatter.pad("worker killed"),
            Self::FreezeWorker => formatter.pad("worker frozen for longer than a lease"),
            Self::StopWorker => formatter.pad("worker told to stop"),
            Self::AddWorker => formatter.pad("worker added"),
            Self::KillRedis => formatter.pad("redis killed"),
            Self::FillRedis => formatter.pad("redis at its memory limit"),
            Self::KillBroker => formatter.pad("one of three brokers killed"),
            Self::RestartBroker => formatter.pad("the only broker restarted"),
            Self::Cut(line) => formatter.pad(&format!("{line} cut")),
            Self::CutInMidCall(line) => formatter.pad(&format!("{line} cut in mid-call")),
            Self::SilentBothWays(line) => formatter.pad(&format!("{line} silent both ways")),
            Self::SilentOneWay(line) => formatter.pad(&format!("{line} silent one way")),
            Self::Slow(line) => formatter.pad(&format!("{line} slow")),
        }
    }
}

impl fmt::Display for Line {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Kafka => "network to kafka",
            Self::Redis => "network to redis",
        })
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = self.kind();
        match self {
            Self::KillWorker { seat } | Self::FreezeWorker { seat } | Self::StopWorker { seat } => {
                write!(formatter, "{kind} (seat {seat})")
            }
            Self::KillBroker { place } => write!(formatter, "{kind} (place {place})"),
            Self::RestartBroker { is_clean } => {
                write!(formatter, "{kind} ({})", if *is_clean { "SIGTERM" } else { "SIGKILL" })
            }
            Self::Network { whose, weather, .. } => match whose {
                Whose::One(seat) => write!(formatter, "{kind} (seat {seat}, {weather:?})"),
                Whose::Everyones => write!(formatter, "{kind} (all, {weather:?})"),
            },
            Self::AddWorker | Self::KillRedis | Self::FillRedis => write!(formatter, "{kind}"),
        }
    }
}

/// A fault and its place in a round.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Strike {
    /// Since the round began.
    pub at: Duration,
    /// At least: a fault also lasts until it has met with something.
    pub lasts: Duration,
    pub fault: Fault,
}

impl Strike {
    pub fn end(&self) -> Duration {
        self.at + self.lasts
    }

    pub fn overlaps(&self, other: &Self) -> bool {
        self.at < other.end() && other.at < self.end()
    }
}

impl fmt::Display for Strike {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (at, lasts) = (self.at.as_secs_f64(), self.lasts.as_secs_f64());
        write!(formatter, "at {at:5.1} s for {lasts:4.1} s: {}", self.fault)
    }
}
