//! Predicates of two periods, each of which holds its start and not its end.
//!
//! ```text
//! CONTAINS      ▐██████▌   OVERLAPS  ▐████▌     PRECEDES  ▐██▌         LEADS  ▐████▌     begins before
//!                 ▐██▌                 ▐████▌                  ▐██▌             ▐████▌
//! ```
//! STRICTLY: the two share no end. IMMEDIATELY PRECEDES and SUCCEEDS: they touch; IMMEDIATELY LEADS and LAGS: they share
//! the other end.

use datafusion::arrow::datatypes::DataType;
use datafusion::common::{Result, exec_err};
use datafusion::prelude::SessionContext;

use super::function::{Function, Kind};
use super::numbers::shown;
use super::time::milliseconds;
use super::value::Value;

const PERIODS: &[Kind] = &[Kind::Text, Kind::Time, Kind::Time, Kind::Time, Kind::Time];

pub(super) fn register(context: &SessionContext) {
    let function = Function::new("aws_period", "PERIOD", PERIODS, DataType::Boolean, |row| {
        let left = Period::of(&row[1], &row[2])?;
        let predicate = row[0].as_text()?.to_ascii_uppercase();
        let holds = match row.get(4) {
            Some(end) => left.compare(&predicate, Period::of(&row[3], end)?)?,
            None if predicate == "CONTAINS" => left.holds(milliseconds(&row[3])?),
            None => return exec_err!("{predicate} compares two periods, and here the second is a single time"),
        };
        Ok(Value::Boolean(holds))
    });
    context.register_udf(function.required(4).udf());
}

#[derive(Debug, Clone, Copy)]
struct Period {
    start: i64,
    end: i64,
}

impl Period {
    fn of(start: &Value<'_>, end: &Value<'_>) -> Result<Period> {
        let period = Period { start: milliseconds(start)?, end: milliseconds(end)? };
        if period.end < period.start {
            return exec_err!("a period ends at {} before it starts at {}", shown(end), shown(start));
        }
        Ok(period)
    }

    fn holds(self, at: i64) -> bool {
        self.start <= at && at < self.end
    }

    fn compare(self, predicate: &str, other: Period) -> Result<bool> {
        let (a, b) = (self, other);
        let shares_none = a.start != b.start && a.end != b.end;
        Ok(match predicate {
            "CONTAINS" => a.start <= b.start && b.end <= a.end,
            "OVERLAPS" => a.start < b.end && b.start < a.end,
            "EQUALS" => a.start == b.start && a.end == b.end,
            "PRECEDES" => a.end <= b.start,
            "SUCCEEDS" => b.end <= a.start,
            "LEADS" => a.start < b.start,
            "LAGS" => b.end < a.end,
            "STRICTLY CONTAINS" => a.start < b.start && b.end < a.end,
            "STRICTLY OVERLAPS" => a.start < b.end && b.start < a.end && shares_none,
            "STRICTLY PRECEDES" => a.end < b.start,
            "STRICTLY SUCCEEDS" => b.end < a.start,
            "STRICTLY LEADS" => a.start < b.start && shares_none,
            "STRICTLY LAGS" => b.end < a.end && shares_none,
            "IMMEDIATELY PRECEDES" => a.end == b.start,
            "IMMEDIATELY SUCCEEDS" => b.end == a.start,
            "IMMEDIATELY LEADS" => a.start < b.start && a.end == b.end,
            "IMMEDIATELY LAGS" => b.end < a.end && a.start == b.start,
            other => return exec_err!("{other} is no predicate of periods; CONTAINS, OVERLAPS and EQUALS are"),
        })
    }
}
