//! Tumbling windows: every moment belongs to exactly one.

use jiff::tz::TimeZone;
use jiff::{ToSpan, Unit};
use model::clock::Timestamp;

/// Half-open: a record at `end` belongs to the next window.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Window {
    /// The first moment in it.
    pub start: Timestamp,
    /// The first moment after it.
    pub end: Timestamp,
}

/// How time is cut into windows; cuts are aligned to 1970-01-01T00:00:00Z.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tumbling {
    /// Windows of equal length in milliseconds, above zero.
    Millis(i64),
    /// Calendar months, UTC.
    Month,
    /// Calendar years, UTC.
    Year,
}

impl Tumbling {
    /// The window that `at` belongs to.
    pub fn window_of(self, at: Timestamp) -> Window {
        match self {
            Tumbling::Millis(width) => {
                let start = at.as_millis().saturating_sub(at.as_millis().rem_euclid(width));
                Window {
                    start: Timestamp::from_millis(start),
                    end: Timestamp::from_millis(start.saturating_add(width)),
                }
            }
            Tumbling::Month => calendar(at, Unit::Month),
            Tumbling::Year => calendar(at, Unit::Year),
        }
    }
}

/// The calendar month or year around `at`; times that the calendar does not reach are one window.
fn calendar(at: Timestamp, unit: Unit) -> Window {
    let window = || -> Result<Window, jiff::Error> {
        let date = jiff::Timestamp::from_millisecond(at.as_millis())?.to_zoned(TimeZone::UTC).date();
        let (first, span) = match unit {
            Unit::Year => (date.first_of_year(), 1.year()),
            _ => (date.first_of_month(), 1.month()),
        };
        let next = first.checked_add(span)?;
        let millis = |date: jiff::civil::Date| -> Result<Timestamp, jiff::Error> {
            Ok(Timestamp::from_millis(date.to_zoned(TimeZone::UTC)?.timestamp().as_millisecond()))
        };
        Ok(Window { start: millis(first)?, end: millis(next)? })
    };
    window().unwrap_or(Window { start: Timestamp::MIN, end: Timestamp::MAX })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(tumbling: Tumbling, at: &str, start: &str, end: &str) {
        let millis = |text: &str| text.parse::<jiff::Timestamp>().unwrap().as_millisecond();
        let window = tumbling.window_of(Timestamp::from_millis(millis(at)));
        assert_eq!((window.start.to_string(), window.end.to_string()), (start.to_owned(), end.to_owned()));
    }

    #[test]
    fn windows_are_half_open_and_aligned() {
        let minute = Tumbling::Millis(60_000);
        check(minute, "2018-03-18T03:20:00Z", "2018-03-18T03:20:00.000Z", "2018-03-18T03:21:00.000Z");
        check(minute, "2018-03-18T03:20:59.999Z", "2018-03-18T03:20:00.000Z", "2018-03-18T03:21:00.000Z");
        check(minute, "1969-12-31T23:59:59.999Z", "1969-12-31T23:59:00.000Z", "1970-01-01T00:00:00.000Z");
        check(Tumbling::Month, "2024-02-29T12:00:00Z", "2024-02-01T00:00:00.000Z", "2024-03-01T00:00:00.000Z");
        check(Tumbling::Year, "2024-12-31T23:59:59Z", "2024-01-01T00:00:00.000Z", "2025-01-01T00:00:00.000Z");
    }
}
