//! What one Redis server holds, looked at no more often than every two seconds, however many ask.

use std::time::Duration;

use serde::Serialize;

use super::source::{Away, Source};
use crate::queue::history::{HOUR, Point};
use crate::queue::status::{self, Status};

/// How old a snapshot may be.
pub(super) const FRESH: Duration = Duration::from_secs(2);
/// Steps of the history that make up the last minute; the newest is not complete yet.
const MINUTE_STEPS: i64 = 6;

/// One server at one moment.
pub(super) struct Snapshot {
    pub status: Status,
    pub rates: Rates,
    /// The last minute, added up.
    pub minute: Point,
}

/// Lines a second over the last minute, as the workers have counted them.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize)]
pub(super) struct Rates {
    /// Pushed by trackers.
    pub rate_in: f64,
    /// Delivered to Kafka.
    pub rate_out: f64,
    pub rate_rejected: f64,
    /// Until the queue is empty, if all goes on like this; nothing where it would never be.
    pub seconds_to_drain: Option<f64>,
}

impl Rates {
    /// `points` are the steps of the last minute and the one before them, `depth` the lines that wait now.
    fn of(points: &[Option<Point>], depth: u64) -> Self {
        let seconds = (MINUTE_STEPS * HOUR.seconds) as f64;
        let Some((before, minute)) = points.split_first() else { return Self::default() };
        let sum = |value: fn(&Point) -> u64| minute.iter().flatten().map(value).sum::<u64>() as f64;
        let (delivered, rejected) = (sum(|point| point.delivered), sum(|point| point.rejected));
        let waited = before.as_ref().map_or(0, |point| point.waiting) as f64;
        let wait = minute.iter().flatten().next_back().map_or(waited, |point| point.waiting as f64);
        let pushed = (delivered + rejected + wait - waited).max(0.0);
        let gain = (delivered + rejected - pushed) / seconds;
        let seconds_to_drain = match depth {
            0 => Some(0.0),
            _ => (gain > 0.0).then(|| (depth as f64 / gain).round()),
        };
        Self {
            rate_in: pushed / seconds,
            rate_out: delivered / seconds,
            rate_rejected: rejected / seconds,
            seconds_to_drain,
        }
    }

    pub fn plus(self, other: Self) -> Self {
        let drain = |own: Option<f64>, other: Option<f64>| Some(own?.max(other?));
        Self {
            rate_in: self.rate_in + other.rate_in,
            rate_out: self.rate_out + other.rate_out,
            rate_rejected: self.rate_rejected + other.rate_rejected,
            seconds_to_drain: drain(self.seconds_to_drain, other.seconds_to_drain),
        }
    }
}

/// Looks at a server.
pub(super) async fn look(source: &Source) -> Result<Snapshot, Away> {
    let status = source.ask(async |link| status::read(link).await).await?;
    let last = HOUR.at(status.now) - 1;
    let points = source.points(last - MINUTE_STEPS, last).await?;
    let rates = Rates::of(&points, status.depth);
    let mut minute = Point::default();
    for point in points.iter().skip(1).flatten() {
        minute.add(point);
    }
    Ok(Snapshot { status, rates, minute })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn point(delivered: u64, rejected: u64, waiting: u64) -> Option<Point> {
        Some(Point { delivered, rejected, waiting, ..Point::default() })
    }

    #[test]
    fn what_came_in_is_what_went_out_and_what_waits_more_than_before() {
        let points = [point(9, 9, 100), point(300, 0, 50), None, None, None, None, point(290, 10, 160)];
        let rates = Rates::of(&points, 160);
        assert_eq!((rates.rate_in, rates.rate_out), (11.0, 590.0 / 60.0));
        assert_eq!(rates.seconds_to_drain, None);
    }

    #[test]
    fn a_queue_that_gets_shorter_is_empty_some_time() {
        let points = [point(0, 0, 1_200), None, None, None, None, None, point(1_200, 0, 600)];
        assert_eq!(Rates::of(&points, 600).seconds_to_drain, Some(60.0));
        assert_eq!(Rates::of(&points, 0).seconds_to_drain, Some(0.0));
        assert_eq!(Rates::of(&[], 5), Rates::default());
    }
}
