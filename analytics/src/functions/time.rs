//! Functions of DATE, TIME and TIMESTAMP. Times are in UTC, and no finer than a millisecond.

use datafusion::arrow::datatypes::DataType;
use datafusion::common::{Result, exec_datafusion_err, exec_err, internal_err, plan_err};
use datafusion::prelude::SessionContext;

use super::calendar::{civil, day_of, instant, midnight, month_start, months_later, time_of_day};
use super::function::{Arguments, Function, Kind, as_first};
use super::numbers::shown;
use super::span::{DAY, HOUR, MINUTE, SECOND, Span};
use super::value::{TIMESTAMP, Value, sql_name};

pub(super) fn register(context: &SessionContext) {
    let functions = [
        Function::new("tsdiff", "TSDIFF", &[Kind::Any, Kind::Any], DataType::Int64, tsdiff).result(tsdiff_type),
        Function::new("unix_timestamp", "UNIX_TIMESTAMP", &[Kind::Timestamp], DataType::Int64, |row| {
            Ok(Value::Integer(milliseconds(&row[0])?))
        }),
        Function::new("to_timestamp", "TO_TIMESTAMP", &[Kind::Integer], TIMESTAMP, |row| {
            let at = row[0].as_integer()?;
            civil(at).map(|_| Value::Timestamp(at))
        }),
        Function::new("aws_floor_time", "FLOOR", &[Kind::Time, Kind::Text], DataType::Null, |row| {
            let unit = Unit::parse(row[1].as_text()?)?;
            on_instant(&row[0], |at| unit.floor(at))
        })
        .result(as_first),
        Function::new("aws_ceil_time", "CEIL", &[Kind::Time, Kind::Text], DataType::Null, |row| {
            let unit = Unit::parse(row[1].as_text()?)?;
            on_instant(&row[0], |at| unit.ceil(at))
        })
        .result(as_first),
        Function::new("aws_step", "STEP", &[Kind::Any, Kind::Any], DataType::Null, step).result(step_type),
    ];
    functions.into_iter().for_each(|function| context.register_udf(function.udf()));
}

/// Milliseconds since 1970; of a TIME since midnight.
pub(super) fn milliseconds(value: &Value<'_>) -> Result<i64> {
    match value {
        Value::Timestamp(at) => Ok(*at),
        Value::Date(days) => Ok(midnight(*days)),
        Value::Time(at) => Ok(i64::from(*at)),
        other => internal_err!("{other:?} is no time"),
    }
}

/// Computes with milliseconds, and gives a value of the same type. A TIME starts anew after midnight.
pub(super) fn on_instant(value: &Value<'_>, compute: impl Fn(i64) -> Result<i64>) -> Result<Value<'static>> {
    let at = compute(milliseconds(value)?)?;
    Ok(match value {
        Value::Date(_) => Value::Date(day_of(at)?),
        Value::Time(_) => Value::Time(time_of_day(at)),
        _ => Value::Timestamp(at),
    })
}

/// The second minus the first, in milliseconds. Integers are milliseconds already.
fn tsdiff(row: &[Value<'_>]) -> Result<Value<'static>> {
    let at = |value: &Value<'_>| match value {
        Value::Integer(integer) => Ok(*integer),
        other => milliseconds(other),
    };
    let difference = at(&row[1])?.checked_sub(at(&row[0])?);
    difference.map(Value::Integer).ok_or_else(|| {
        exec_datafusion_err!("TSDIFF: {} and {} are too far apart for a BIGINT", shown(&row[0]), shown(&row[1]))
    })
}

fn tsdiff_type(arguments: &Arguments<'_>) -> Result<DataType> {
    for given in &arguments.types {
        if *given != TIMESTAMP && !given.is_integer() && *given != DataType::Null {
            return plan_err!("TSDIFF takes TIMESTAMPs or milliseconds as BIGINT, but here is {}", sql_name(given));
        }
    }
    Ok(DataType::Int64)
}

/// What times are cut to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Unit {
    Year,
    Month,
    Day,
    Hour,
    Minute,
    Second,
}

impl Unit {
    pub(super) fn parse(text: &str) -> Result<Unit> {
        Ok(match text.to_ascii_uppercase().as_str() {
            "YEAR" => Unit::Year,
            "MONTH" => Unit::Month,
            "DAY" => Unit::Day,
            "HOUR" => Unit::Hour,
            "MINUTE" => Unit::Minute,
            "SECOND" => Unit::Second,
            other => return exec_err!("{other} is no unit of time; take YEAR, MONTH, DAY, HOUR, MINUTE or SECOND"),
        })
    }

    /// Months, or milliseconds.
    pub(super) fn span(self) -> Span {
        match self {
            Unit::Year => Span::months(12),
            Unit::Month => Span::months(1),
            Unit::Day => Span::milliseconds(DAY),
            Unit::Hour => Span::milliseconds(HOUR),
            Unit::Minute => Span::milliseconds(MINUTE),
            Unit::Second => Span::milliseconds(SECOND),
        }
    }

    fn floor(self, at: i64) -> Result<i64> {
        floor(at, self.span())
    }

    fn ceil(self, at: i64) -> Result<i64> {
        let floor = self.floor(at)?;
        if floor == at { Ok(at) } else { later(floor, self.span()) }
    }
}

/// The start of the step of length `span` that holds `at`; steps are counted from 1970, into the past too.
pub(super) fn floor(at: i64, span: Span) -> Result<i64> {
    if span.months == 0 {
        return Ok(at.div_euclid(span.milliseconds) * span.milliseconds);
    }
    let date = civil(at)?.date();
    let since = (i64::from(date.year()) - 1970) * 12 + i64::from(date.month()) - 1;
    instant(month_start(date, -since.rem_euclid(span.months))?)
}

/// A time plus an interval, months by the calendar.
pub(super) fn later(at: i64, span: Span) -> Result<i64> {
    let moved = if span.months == 0 { at } else { instant(months_later(civil(at)?, span.months)?)? };
    let later = moved.checked_add(span.milliseconds);
    later.ok_or_else(|| exec_datafusion_err!("{at} ms from 1970 plus {} ms is too far away", span.milliseconds))
}

fn step(row: &[Value<'_>]) -> Result<Value<'static>> {
    match (&row[0], &row[1]) {
        (Value::Integer(integer), Value::Integer(by)) if *by > 0 => Ok(Value::Integer(integer / by * by)),
        (Value::Integer(_), Value::Integer(by)) => exec_err!("STEP .. BY {by} has no steps; take a number above 0"),
        (time, Value::Interval(span)) if span.months > 0 || span.milliseconds > 0 => {
            on_instant(time, |at| floor(at, *span))
        }
        (_, Value::Interval(_)) => exec_err!("STEP .. BY INTERVAL needs an interval above 0"),
        (value, by) => internal_err!("STEP of {value:?} by {by:?}"),
    }
}

fn step_type(arguments: &Arguments<'_>) -> Result<DataType> {
    let (value, by) = (&arguments.types[0], &arguments.types[1]);
    let is_time = value.is_temporal() && !matches!(value, DataType::Interval(_));
    let fits = match by {
        DataType::Interval(_) => is_time,
        integer => integer.is_integer() && value.is_integer(),
    };
    if !fits && *value != DataType::Null {
        return plan_err!(
            "STEP takes a time BY an INTERVAL or an integer BY an integer, and here it has {} BY {}",
            sql_name(value),
            sql_name(by)
        );
    }
    as_first(arguments)
}
