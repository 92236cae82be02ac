//! `CAST` to text and to times.
//!
//! Text that is too long is cut; any other value that is too long is an error of the row. CHAR is filled with blanks.
//! A time is written as `2007-02-19 21:25:35`, without a fraction, and read in exactly that form.

use datafusion::arrow::datatypes::DataType;
use datafusion::common::{Result, exec_datafusion_err, exec_err, internal_err, plan_err};
use datafusion::prelude::SessionContext;

use super::calendar::{
    date_text, day_of, days, midnight, read_date, read_time, read_timestamp, time_of_day, time_text, timestamp_text,
};
use super::exact::{decimal_text, double_text};
use super::function::{Arguments, Function, Kind};
use super::value::{TIME, TIMESTAMP, Value, sql_name};

/// The most characters of VARCHAR(n) and CHAR(n).
const LENGTH_MAX: i64 = 65_535;

pub(super) fn register(context: &SessionContext) {
    let functions = [
        Function::new("aws_cast_varchar", "CAST", &[Kind::Any, Kind::Integer], DataType::Utf8, |row| {
            let text = text_of(&row[0])?;
            match row.get(1) {
                Some(length) => Ok(Value::text(fitted(&row[0], text, "VARCHAR", length.as_integer()?)?)),
                None => Ok(Value::text(text)),
            }
        })
        .required(1)
        .result(text_type),
        Function::new("aws_cast_char", "CAST", &[Kind::Any, Kind::Integer], DataType::Utf8, |row| {
            let length = row[1].as_integer()?;
            let mut text = fitted(&row[0], text_of(&row[0])?, "CHAR", length)?;
            let missing = usize::try_from(length).unwrap_or(0).saturating_sub(text.chars().count());
            text.extend(std::iter::repeat_n(' ', missing));
            Ok(Value::text(text))
        })
        .result(text_type),
        Function::new("aws_cast_timestamp", "CAST", &[Kind::Any], TIMESTAMP, |row| timestamp(&row[0]))
            .result(|arguments| time_type(arguments, TIMESTAMP, &[DataType::Date32, TIME])),
        Function::new("aws_cast_date", "CAST", &[Kind::Any], DataType::Date32, |row| date(&row[0]))
            .result(|arguments| time_type(arguments, DataType::Date32, &[TIMESTAMP])),
        Function::new("aws_cast_time", "CAST", &[Kind::Any], TIME, |row| time(&row[0]))
            .result(|arguments| time_type(arguments, TIME, &[TIMESTAMP])),
    ];
    functions.into_iter().for_each(|function| context.register_udf(function.udf()));
}

/// A value as the dialect writes it.
fn text_of(value: &Value<'_>) -> Result<String> {
    Ok(match value {
        Value::Text(text) => text.to_string(),
        Value::Boolean(boolean) => boolean.to_string(),
        Value::Integer(integer) => integer.to_string(),
        Value::Decimal(digits, scale) => decimal_text(*digits, *scale),
        Value::Real(real) => double_text(&format!("{real:e}")),
        Value::Double(double) => double_text(&format!("{double:e}")),
        Value::Timestamp(at) => timestamp_text(*at)?,
        Value::Date(days) => date_text(*days)?,
        Value::Time(at) => time_text(*at),
        other => return internal_err!("{other:?} has no text"),
    })
}

/// At most `length` characters. Only text is cut.
fn fitted(value: &Value<'_>, mut text: String, target: &str, length: i64) -> Result<String> {
    let length_of_text = usize::try_from(length).unwrap_or(0);
    let Some((end, _)) = text.char_indices().nth(length_of_text) else { return Ok(text) };
    if !matches!(value, Value::Text(_)) {
        return exec_err!("CAST: {text} does not fit {target}({length}); only text is cut, so give it more characters");
    }
    text.truncate(end);
    Ok(text)
}

fn text_type(arguments: &Arguments<'_>) -> Result<DataType> {
    if arguments.types.len() > 1 {
        let length = arguments.literal_integer(1)?;
        if !(1..LENGTH_MAX).contains(&length) {
            return plan_err!("a text of {length} characters is no type: 1 to {} are possible", LENGTH_MAX - 1);
        }
    }
    match &arguments.types[0] {
        DataType::Interval(_) => {
            plan_err!("an interval needs its fields to become text: write CAST((a - b) MINUTE AS VARCHAR(8))")
        }
        nested if nested.is_nested() || nested.is_binary() => {
            plan_err!("{} does not convert to text", sql_name(nested))
        }
        _ => Ok(DataType::Utf8),
    }
}

pub(super) fn timestamp(value: &Value<'_>) -> Result<Value<'static>> {
    Ok(Value::Timestamp(match value {
        Value::Timestamp(at) => *at,
        Value::Date(days) => midnight(*days),
        Value::Time(at) => i64::from(*at),
        Value::Text(text) => read_timestamp(text).ok_or_else(|| {
            exec_datafusion_err!("CAST: '{text}' is not a TIMESTAMP; write it as yyyy-MM-dd HH:mm:ss[.fff]")
        })?,
        other => return internal_err!("{other:?} is no time"),
    }))
}

pub(super) fn date(value: &Value<'_>) -> Result<Value<'static>> {
    Ok(Value::Date(match value {
        Value::Timestamp(at) => day_of(*at)?,
        Value::Date(days) => *days,
        Value::Text(text) => match read_date(text) {
            Some(date) => days(date)?,
            None => return exec_err!("CAST: '{text}' is not a DATE; write it as yyyy-MM-dd"),
        },
        other => return internal_err!("{other:?} is no date"),
    }))
}

pub(super) fn time(value: &Value<'_>) -> Result<Value<'static>> {
    Ok(Value::Time(match value {
        Value::Timestamp(at) => time_of_day(*at),
        Value::Time(at) => *at,
        Value::Text(text) => read_time(text.trim_start_matches(' '))
            .ok_or_else(|| exec_datafusion_err!("CAST: '{text}' is not a TIME; write it as HH:mm:ss[.fff]"))?,
        other => return internal_err!("{other:?} is no time of day"),
    }))
}

/// The target where the source is text, the same, or one of `others`.
fn time_type(arguments: &Arguments<'_>, target: DataType, others: &[DataType]) -> Result<DataType> {
    let source = &arguments.types[0];
    if *source == DataType::Utf8 || *source == DataType::Null || *source == target || others.contains(source) {
        return Ok(target);
    }
    plan_err!(
        "{} does not convert to {}; TO_TIMESTAMP(x) makes a TIMESTAMP of milliseconds since 1970",
        sql_name(source),
        sql_name(&target)
    )
}
