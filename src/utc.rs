//! Seconds since 1970 as date and time of day, in UTC.

/// A moment, taken apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Utc {
    pub year: u64,
    pub month: u64,
    pub day: u64,
    pub hour: u64,
    pub minute: u64,
    pub second: u64,
}

impl Utc {
    /// The calendar is Howard Hinnant's `civil_from_days`.
    pub fn at(epoch: u64) -> Self {
        let days = epoch / 86_400 + 719_468; // since 1 March of the year 0, so that leap days come last
        let (era, day_of_era) = (days / 146_097, days % 146_097);
        let year_of_era =
            (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
        let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
        let month_from_march = (5 * day_of_year + 2) / 153;
        let month = (month_from_march + 2) % 12 + 1;
        Self {
            year: era * 400 + year_of_era + u64::from(month < 3),
            month,
            day: day_of_year - (153 * month_from_march + 2) / 5 + 1,
            hour: epoch / 3_600 % 24,
            minute: epoch / 60 % 60,
            second: epoch % 60,
        }
    }

    /// Now, by the clock of this machine.
    pub fn now() -> Self {
        let since_1970 = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
        Self::at(since_1970.unwrap_or_default().as_secs())
    }

    /// `20161121-101500`, for the name of a file.
    pub fn compact(self) -> String {
        let Self { year, month, day, hour, minute, second } = self;
        format!("{year:04}{month:02}{day:02}-{hour:02}{minute:02}{second:02}")
    }
}

impl std::fmt::Display for Utc {
    /// `2016-11-21 10:15:00`.
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { year, month, day, hour, minute, second } = self;
        write!(formatter, "{year:04}-{month:02}-{day:02} {hour:02}:{minute:02}:{second:02}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_are_taken_apart() {
        assert_eq!(Utc::at(0).to_string(), "1970-01-01 00:00:00");
        assert_eq!(Utc::at(951_782_399).to_string(), "2000-02-28 23:59:59");
        assert_eq!(Utc::at(951_782_400).to_string(), "2000-02-29 00:00:00");
        assert_eq!(Utc::at(1_465_287_057).compact(), "20160607-081057");
    }
}
