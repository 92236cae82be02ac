//! A length of time: either months, or milliseconds.
//!
//! In a column it is Arrow's interval of months, days and nanoseconds. Ours never uses the days, so that intervals
//! which are equally long are equal and compare as numbers do; those of others may, and a day has 24 hours.

use datafusion::arrow::datatypes::IntervalMonthDayNano;
use datafusion::common::{Result, exec_datafusion_err, exec_err};

pub(super) const SECOND: i64 = 1_000;
pub(super) const MINUTE: i64 = 60 * SECOND;
pub(super) const HOUR: i64 = 60 * MINUTE;
pub(super) const DAY: i64 = 24 * HOUR;

const NANOSECONDS: i64 = 1_000_000;

/// Of the two parts at most one is not 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Span {
    pub(super) months: i64,
    pub(super) milliseconds: i64,
}

impl From<IntervalMonthDayNano> for Span {
    fn from(native: IntervalMonthDayNano) -> Span {
        let days = i64::from(native.days) * DAY;
        Span { months: native.months.into(), milliseconds: days + native.nanoseconds / NANOSECONDS }
    }
}

impl Span {
    pub(super) fn months(months: i64) -> Span {
        Span { months, milliseconds: 0 }
    }

    pub(super) fn milliseconds(milliseconds: i64) -> Span {
        Span { months: 0, milliseconds }
    }

    /// As Arrow has it. Error: it is longer than 292 years.
    pub(super) fn native(self) -> Result<IntervalMonthDayNano> {
        let native = || {
            let nanoseconds = self.milliseconds.checked_mul(NANOSECONDS)?;
            Some(IntervalMonthDayNano::new(i32::try_from(self.months).ok()?, 0, nanoseconds))
        };
        native()
            .ok_or_else(|| exec_datafusion_err!("an interval is longer than the 292 years that fit; use a shorter one"))
    }

    /// Both parts by the same computation; none where one does not fit.
    pub(super) fn map(self, compute: impl Fn(i64) -> Option<i64>) -> Result<Span> {
        match (compute(self.months), compute(self.milliseconds)) {
            (Some(months), Some(milliseconds)) => Ok(Span { months, milliseconds }),
            _ => exec_err!("an interval became too long; use a shorter one or a smaller factor"),
        }
    }

    pub(super) fn plus(self, other: Span) -> Result<Span> {
        let months = self.months.checked_add(other.months);
        match (months, self.milliseconds.checked_add(other.milliseconds)) {
            (Some(months), Some(milliseconds)) => Ok(Span { months, milliseconds }),
            _ => exec_err!("the sum of two intervals is too long; use shorter ones"),
        }
    }
}
