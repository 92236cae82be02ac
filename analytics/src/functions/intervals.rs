//! Intervals: their literals, differences of times, arithmetic, and conversions to numbers and text.

use datafusion::arrow::datatypes::DataType;
use datafusion::common::{Result, exec_datafusion_err, exec_err, internal_err, plan_err};
use datafusion::prelude::SessionContext;

use super::calendar::civil;
use super::exact::{power_of_ten, rescale};
use super::function::{Arguments, Function, Kind, as_first};
use super::numbers::shown;
use super::qualifier::Qualifier;
use super::span::Span;
use super::time::{Unit, later, milliseconds, on_instant};
use super::value::{INTERVAL, Value, sql_name};

pub(super) fn register(context: &SessionContext) {
    let functions = [
        Function::new("aws_interval", "INTERVAL", &[Kind::Text, Kind::Text], INTERVAL, |row| {
            Qualifier::parse(row[1].as_text()?)?.read(row[0].as_text()?).map(Value::Interval)
        }),
        Function::new("aws_difference", "(a - b)", &[Kind::Time, Kind::Time, Kind::Text], INTERVAL, difference)
            .result(difference_type),
        Function::new("aws_plus", "+", &[Kind::Any, Kind::Interval], DataType::Null, |row| {
            plus(&row[0], row[1].as_interval()?)
        })
        .result(plus_type),
        Function::new("aws_minus", "-", &[Kind::Any, Kind::Interval], DataType::Null, |row| {
            plus(&row[0], row[1].as_interval()?.map(i64::checked_neg)?)
        })
        .result(plus_type),
        Function::new("aws_interval_times", "*", &[Kind::Interval, Kind::Number], INTERVAL, |row| {
            row[0].as_interval()?.map(|part| times(part, &row[1])).map(Value::Interval)
        }),
        Function::new("aws_interval_divide", "/", &[Kind::Interval, Kind::Number], INTERVAL, |row| {
            if matches!(row[1], Value::Integer(0) | Value::Decimal(0, _)) || row[1] == Value::Double(0.0) {
                return exec_err!("an interval cannot be divided by 0; leave such rows out with WHERE");
            }
            row[0].as_interval()?.map(|part| divided(part, &row[1])).map(Value::Interval)
        }),
        Function::new("aws_cast_interval_bigint", "CAST", &[Kind::Interval, Kind::Text], DataType::Int64, |row| {
            let thousandths = thousandths(row[0].as_interval()?, Unit::parse(row[1].as_text()?)?);
            Ok(Value::Integer((thousandths / 1000) as i64))
        }),
        Function::new("aws_cast_interval_decimal", "CAST", DECIMAL, DataType::Null, decimal).result(decimal_type),
        Function::new(
            "aws_cast_interval_varchar",
            "CAST",
            &[Kind::Interval, Kind::Text, Kind::Integer],
            DataType::Utf8,
            |row| {
                let text = Qualifier::parse(row[1].as_text()?)?.write(row[0].as_interval()?);
                let length = row.get(2).map_or(Ok(i64::MAX), Value::as_integer)?;
                Ok(Value::text(text.chars().take(usize::try_from(length).unwrap_or(0)).collect::<String>()))
            },
        )
        .required(2),
    ];
    functions.into_iter().for_each(|function| context.register_udf(function.udf()));
}

const DECIMAL: &[Kind] = &[Kind::Interval, Kind::Text, Kind::Integer, Kind::Integer];

/// One time minus another, without what is smaller than the last field.
fn difference(row: &[Value<'_>]) -> Result<Value<'static>> {
    let (left, right) = (milliseconds(&row[0])?, milliseconds(&row[1])?);
    let qualifier = Qualifier::parse(row[2].as_text()?)?;
    let span = match qualifier.last {
        Unit::Month => Span::months(months_between(left, right)?),
        Unit::Year => Span::months(months_between(left, right)? / 12 * 12),
        _ => {
            let whole = left.checked_sub(right).ok_or_else(|| {
                exec_datafusion_err!("{} and {} are too far apart for an interval", shown(&row[0]), shown(&row[1]))
            })?;
            Span::milliseconds(qualifier.cut(whole))
        }
    };
    Ok(Value::Interval(span))
}

/// Whole months from `right` to `left`; negative where that is earlier.
fn months_between(left: i64, right: i64) -> Result<i64> {
    let (to, from) = (civil(left)?, civil(right)?);
    let months = (i64::from(to.year()) - i64::from(from.year())) * 12 + i64::from(to.month()) - i64::from(from.month());
    let reached = later(right, Span::months(months))?;
    Ok(match months {
        1.. if reached > left => months - 1,
        ..=-1 if reached < left => months + 1,
        _ => months,
    })
}

fn difference_type(arguments: &Arguments<'_>) -> Result<DataType> {
    let (left, right) = (&arguments.types[0], &arguments.types[1]);
    if left != right && *left != DataType::Null && *right != DataType::Null {
        return plan_err!(
            "(a - b) needs two times of one type, and here it has {} and {}; convert one with CAST",
            sql_name(left),
            sql_name(right)
        );
    }
    Ok(INTERVAL)
}

fn plus(value: &Value<'_>, span: Span) -> Result<Value<'static>> {
    match value {
        Value::Interval(other) => other.plus(span).map(Value::Interval),
        time => on_instant(time, |at| later(at, span)),
    }
}

fn plus_type(arguments: &Arguments<'_>) -> Result<DataType> {
    let first = &arguments.types[0];
    if !first.is_temporal() && *first != DataType::Null {
        return plan_err!("an interval can be added to a time or an interval, but not to {}", sql_name(first));
    }
    as_first(arguments)
}

fn times(part: i64, factor: &Value<'_>) -> Option<i64> {
    match factor {
        Value::Integer(factor) => part.checked_mul(*factor),
        Value::Decimal(digits, scale) => {
            i64::try_from(i128::from(part).checked_mul(*digits)? / power_of_ten((*scale).into())?).ok()
        }
        other => whole(part as f64 * double(other)?),
    }
}

fn divided(part: i64, divisor: &Value<'_>) -> Option<i64> {
    match divisor {
        Value::Integer(divisor) => part.checked_div(*divisor),
        Value::Decimal(digits, scale) => {
            i64::try_from(i128::from(part).checked_mul(power_of_ten((*scale).into())?)?.checked_div(*digits)?).ok()
        }
        other => whole(part as f64 / double(other)?),
    }
}

fn double(value: &Value<'_>) -> Option<f64> {
    match value {
        Value::Double(double) => Some(*double),
        Value::Real(real) => Some((*real).into()),
        _ => None,
    }
}

fn whole(double: f64) -> Option<i64> {
    (double.abs() < i64::MAX as f64).then_some(double as i64)
}

/// How often a unit is in an interval, in thousandths of the unit; rest cut off.
fn thousandths(span: Span, unit: Unit) -> i128 {
    let length = unit.span();
    match length.months {
        0 => i128::from(span.milliseconds) * 1000 / i128::from(length.milliseconds),
        months => i128::from(span.months) * 1000 / i128::from(months),
    }
}

fn decimal(row: &[Value<'_>]) -> Result<Value<'static>> {
    let (precision, scale) = (row[2].as_integer()?, row[3].as_integer()?);
    let Ok(scale_digits) = u8::try_from(scale) else { return internal_err!("a scale of {scale}") };
    let digits = rescale(thousandths(row[0].as_interval()?, Unit::parse(row[1].as_text()?)?), 3, scale_digits);
    let limit = u32::try_from(precision).ok().and_then(power_of_ten);
    match (digits, limit) {
        (Some(digits), Some(limit)) if digits.abs() < limit => Ok(Value::Decimal(digits, scale_digits)),
        _ => exec_err!("CAST: an interval is too long for DECIMAL({precision}, {scale}); give it more digits"),
    }
}

fn decimal_type(arguments: &Arguments<'_>) -> Result<DataType> {
    let (precision, scale) = (arguments.literal_integer(2)?, arguments.literal_integer(3)?);
    match (u8::try_from(precision), i8::try_from(scale)) {
        (Ok(precision @ 1..=38), Ok(scale)) if (0..=precision as i8).contains(&scale) => {
            Ok(DataType::Decimal128(precision, scale))
        }
        _ => plan_err!("DECIMAL({precision}, {scale}) is no type: a DECIMAL has 1 to 38 digits"),
    }
}
