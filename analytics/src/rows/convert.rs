//! The one table of conversions: a JSON value into a declared column. What does not fit is refused, and never becomes
//! another value.
//!
//! | column | number | text | true, false | array, object |
//! | --- | --- | --- | --- | --- |
//! | integers | integral by value, in range | as a number | 1, 0 | - |
//! | `DECIMAL(p, s)` | rounded half away from zero to `s` | as a number | 1, 0 | - |
//! | `DOUBLE` | the nearest; not above the range | as a number | 1, 0 | - |
//! | `BOOLEAN` | false only if 0 | true only if `true`, in any case | as is | - |
//! | `VARCHAR(n)` | as it is written | as is | `true`, `false` | as it is written |
//! | `TIMESTAMP` | - | `yyyy-MM-dd`, `yyyy-MM-dd HH:mm:ss[.fff]`, RFC 3339 | - | - |
//!
//! `null` is null everywhere. Text longer than `n` characters is cut.

use std::borrow::Cow;

use crate::rows::cells::Cell;
use crate::rows::field::Field;
use crate::rows::number::{DIGITS_MAX, Number, fits};
use crate::sql::schema::SqlType;

/// A value that its column cannot hold, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Misfit(pub(crate) &'static str);

const NO_NUMBER: Misfit = Misfit("it is not a number");
const NO_SCALAR: Misfit = Misfit("it is an array or an object");
const FRACTION: Misfit = Misfit("it has a fraction");
const TOO_LARGE: Misfit = Misfit("it is too large");
const NO_TIME: Misfit = Misfit("it is not a time as text");

/// The value as a column of this type holds it.
pub(crate) fn convert<'a>(field: &Field<'a>, sql_type: SqlType) -> Result<Cell<'a>, Misfit> {
    match (sql_type, field) {
        (_, Field::Null) => Ok(Cell::Null),
        (SqlType::Varchar(length), field) => Ok(Cell::Text(cut(text(field), length))),
        (_, Field::Nested(_)) => Err(NO_SCALAR),
        (SqlType::Boolean, field) => boolean(field).map(Cell::Boolean),
        (SqlType::Timestamp, Field::Text(text)) => time(text).map(Cell::Integer).ok_or(NO_TIME),
        (SqlType::Timestamp, _) => Err(NO_TIME),
        (SqlType::Double, field) => double(field).map(Cell::Double),
        (SqlType::Decimal(precision, scale), field) => decimal(field, precision, scale).map(Cell::Decimal),
        (sql_type, field) => integer(field, sql_type).map(Cell::Integer),
    }
}

fn text<'a>(field: &Field<'a>) -> Cow<'a, str> {
    match field {
        Field::Text(text) => text.clone(),
        Field::Number(raw) | Field::Nested(raw) => Cow::Borrowed(raw),
        Field::Boolean(value) => Cow::Borrowed(if *value { "true" } else { "false" }),
        Field::Null => Cow::Borrowed("null"),
    }
}

/// At most so many characters of a text.
fn cut(text: Cow<'_, str>, length: Option<u32>) -> Cow<'_, str> {
    let length = length.map_or(usize::MAX, |length| length as usize);
    if text.len() <= length {
        return text;
    }
    let end = text.char_indices().nth(length).map_or(text.len(), |(end, _)| end);
    match text {
        Cow::Borrowed(text) => Cow::Borrowed(&text[..end]),
        Cow::Owned(mut text) => {
            text.truncate(end);
            Cow::Owned(text)
        }
    }
}

fn boolean(field: &Field<'_>) -> Result<bool, Misfit> {
    match field {
        Field::Boolean(value) => Ok(*value),
        Field::Text(text) => Ok(text.trim().eq_ignore_ascii_case("true")),
        number => Ok(!Number::parse(digits(number)?).ok_or(NO_NUMBER)?.is_zero()),
    }
}

fn double(field: &Field<'_>) -> Result<f64, Misfit> {
    let digits = digits(field)?;
    // Only decimal notation: no `inf`, no `NaN`.
    Number::parse(digits).ok_or(NO_NUMBER)?;
    let nearest: f64 = digits.parse().map_err(|_| NO_NUMBER)?;
    if nearest.is_finite() { Ok(nearest) } else { Err(TOO_LARGE) }
}

fn decimal(field: &Field<'_>, precision: u8, scale: i8) -> Result<i128, Misfit> {
    let number = Number::parse(digits(field)?).ok_or(NO_NUMBER)?;
    let scale = u8::try_from(scale).map_err(|_| TOO_LARGE)?;
    number.unscaled(scale).filter(|unscaled| fits(*unscaled, precision.min(DIGITS_MAX))).ok_or(TOO_LARGE)
}

fn integer(field: &Field<'_>, sql_type: SqlType) -> Result<i64, Misfit> {
    let digits = digits(field)?;
    let integer = match digits.parse::<i64>() {
        Ok(integer) => integer,
        Err(_) => {
            let number = Number::parse(digits).ok_or(NO_NUMBER)?;
            let misfit = if number.scale() > 0 { FRACTION } else { TOO_LARGE };
            number.integer().ok_or(misfit)?
        }
    };
    let in_range = sql_type.integer_range().is_some_and(|(lowest, highest)| lowest <= integer && integer <= highest);
    if in_range { Ok(integer) } else { Err(TOO_LARGE) }
}

/// The text of a number, or of what counts as one.
fn digits<'f>(field: &'f Field<'_>) -> Result<&'f str, Misfit> {
    match field {
        Field::Number(raw) => Ok(raw),
        Field::Text(text) => Ok(text.trim()),
        Field::Boolean(true) => Ok("1"),
        Field::Boolean(false) => Ok("0"),
        Field::Null | Field::Nested(_) => Err(NO_SCALAR),
    }
}

/// Milliseconds since 1970 of a text.
fn time(text: &str) -> Option<i64> {
    let text = text.trim();
    let has_zone = text.bytes().skip("yyyy-MM-dd".len()).any(|b| matches!(b, b'Z' | b'z' | b'+' | b'-'));
    if has_zone && let Ok(at) = text.parse::<jiff::Timestamp>() {
        return Some(at.as_millisecond());
    }
    let civil = text.parse::<jiff::civil::DateTime>().ok()?;
    Some(civil.to_zoned(jiff::tz::TimeZone::UTC).ok()?.timestamp().as_millisecond())
}

/// The time of a row in a file: what a `TIMESTAMP` takes, or a number of milliseconds since 1970.
pub(crate) fn time_of(field: &Field<'_>) -> Option<i64> {
    match field {
        Field::Number(raw) => i64::try_from(Number::parse(raw)?.unscaled(0)?).ok(),
        Field::Text(text) => time(text),
        _ => None,
    }
}

/// A type as SQL writes it.
pub(crate) fn name_of(sql_type: SqlType) -> String {
    match sql_type {
        SqlType::Boolean => "BOOLEAN".to_owned(),
        SqlType::TinyInt => "TINYINT".to_owned(),
        SqlType::SmallInt => "SMALLINT".to_owned(),
        SqlType::Integer => "INTEGER".to_owned(),
        SqlType::BigInt => "BIGINT".to_owned(),
        SqlType::Double => "DOUBLE".to_owned(),
        SqlType::Decimal(precision, scale) => format!("DECIMAL({precision}, {scale})"),
        SqlType::Varchar(Some(length)) => format!("VARCHAR({length})"),
        SqlType::Varchar(None) => "VARCHAR".to_owned(),
        SqlType::Timestamp => "TIMESTAMP".to_owned(),
    }
}

#[cfg(test)]
mod tests;
