//! Tumbling windows: every moment belongs to exactly one.

use jiff::ToSpan;
use jiff::tz::TimeZone;
use model::clock::Timestamp;

use crate::window::span::{Span, floor};

/// How time is cut into windows that neither overlap nor leave gaps; cuts are aligned to 1970-01-01T00:00:00Z.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Tumbling {
    /// Windows of equal length in milliseconds, above zero.
    Millis(i64),
    /// The same, moved by an offset in milliseconds.
    Shifted { width: i64, offset: i64 },
    /// So many calendar months, UTC, counted from January 1970.
    Months(i64),
}

impl Tumbling {
    /// Windows of `width` milliseconds that begin `offset` after the usual cuts.
    pub(crate) fn shifted(width: i64, offset: i64) -> Tumbling {
        match offset.rem_euclid(width) {
            0 => Tumbling::Millis(width),
            offset => Tumbling::Shifted { width, offset },
        }
    }

    /// The window that `at` belongs to.
    pub(crate) fn window_of(self, at: Timestamp) -> Span {
        match self {
            Tumbling::Millis(width) => of_width(at, width, 0),
            Tumbling::Shifted { width, offset } => of_width(at, width, offset),
            Tumbling::Months(months) => of_months(at, months),
        }
    }
}

fn of_width(at: Timestamp, width: i64, offset: i64) -> Span {
    let start = floor(at.as_millis(), width, offset);
    Span::of_millis(start, start.saturating_add(width))
}

/// The calendar months around `at`; times that the calendar does not reach are one window.
fn of_months(at: Timestamp, months: i64) -> Span {
    let window = || -> Result<Span, jiff::Error> {
        let date = jiff::Timestamp::from_millisecond(at.as_millis())?.to_zoned(TimeZone::UTC).date();
        let month = i64::from(date.year()) * 12 + i64::from(date.month()) - 1;
        let since_1970 = month - 1970 * 12;
        let first = date.first_of_month().checked_sub(since_1970.rem_euclid(months).months())?;
        let next = first.checked_add(months.months())?;
        let millis = |date: jiff::civil::Date| -> Result<i64, jiff::Error> {
            Ok(date.to_zoned(TimeZone::UTC)?.timestamp().as_millisecond())
        };
        Ok(Span::of_millis(millis(first)?, millis(next)?))
    };
    window().unwrap_or(Span { start: Timestamp::MIN, end: Timestamp::MAX })
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
        check(Tumbling::Months(1), "2024-02-29T12:00:00Z", "2024-02-01T00:00:00.000Z", "2024-03-01T00:00:00.000Z");
        check(Tumbling::Months(3), "2024-02-29T12:00:00Z", "2024-01-01T00:00:00.000Z", "2024-04-01T00:00:00.000Z");
        check(Tumbling::Months(12), "2024-12-31T23:59:59Z", "2024-01-01T00:00:00.000Z", "2025-01-01T00:00:00.000Z");
        check(Tumbling::Months(12), "1969-12-31T23:59:59Z", "1969-01-01T00:00:00.000Z", "1970-01-01T00:00:00.000Z");
    }

    #[test]
    fn an_offset_moves_the_cuts_and_whole_widths_do_not() {
        let check = |offset: i64| {
            let window = Tumbling::shifted(600_000, offset * 60_000).window_of(Timestamp::from_millis(0));
            (window.start.as_millis() / 60_000, window.end.as_millis() / 60_000)
        };
        assert_eq!([check(-16), check(-6), check(4)], [(-6, 4); 3]);
        assert_eq!([check(0), check(10)], [(0, 10); 2]);
    }
}
