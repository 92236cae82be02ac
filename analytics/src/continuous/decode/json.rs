//! Records to rows: JSON objects into Arrow columns. A record is taken whole or not at all.

use std::borrow::Cow;
use std::sync::Arc;

use datafusion::arrow::array::{ArrayRef, RecordBatch, TimestampMillisecondArray};
use datafusion::arrow::datatypes::SchemaRef;
use model::clock::Timestamp;
use serde::de::Error;
use serde_json::{Map, Value};

use crate::continuous::decode::field::{Field, Fields};
use crate::continuous::decode::waiting::Waiting;
use crate::rows::cells::{Cell, Cells};
use crate::sql::schema::{ROWTIME, SqlColumn, SqlType, row_schema};

/// Why a record is left out.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Unfit {
    #[error("no JSON objects")]
    Json(#[from] serde_json::Error),
    #[error("column `{column}` cannot hold {value}")]
    Value { column: String, value: String },
}

/// The JSON objects of a record with all their fields; at least one.
pub(crate) fn objects(data: &[u8]) -> Result<Vec<Map<String, Value>>, Unfit> {
    let objects: Vec<_> = serde_json::Deserializer::from_slice(data).into_iter().collect::<Result<_, _>>()?;
    if objects.is_empty() { Err(Unfit::Json(serde_json::Error::custom("no value"))) } else { Ok(objects) }
}

/// Milliseconds since the epoch of `yyyy-MM-dd HH:mm:ss[.SSS]`, RFC 3339, or a number of milliseconds.
pub(crate) fn time_of(value: &Field<'_>) -> Option<i64> {
    match value {
        Field::Number(number) => number.as_i64().or_else(|| number.as_f64().map(|millis| millis as i64)),
        Field::Text(text) => {
            let text = text.trim();
            let has_zone = text.bytes().skip("yyyy-MM-dd".len()).any(|b| matches!(b, b'Z' | b'z' | b'+' | b'-'));
            if has_zone && let Ok(at) = text.parse::<jiff::Timestamp>() {
                return Some(at.as_millisecond());
            }
            let civil = text.parse::<jiff::civil::DateTime>().ok()?;
            Some(civil.to_zoned(jiff::tz::TimeZone::UTC).ok()?.timestamp().as_millisecond())
        }
        _ => None,
    }
}

/// Characters of a value in an error's text.
const SHOWN_MAX: usize = 60;

/// Gathers rows until a batch is asked for.
#[derive(Debug)]
pub(crate) struct Decoder {
    columns: Vec<SqlColumn>,
    schema: SchemaRef,
    cells: Vec<Cells>,
    /// The time of each row.
    times: Vec<i64>,
}

/// A row that fits the columns.
pub(crate) struct Row<'a>(Vec<Cell<'a>>);

impl Row<'_> {
    /// The time in the column at this place, if it has one.
    pub(crate) fn time(&self, place: usize) -> Option<Timestamp> {
        match self.0.get(place) {
            Some(Cell::Integer(millis)) => Some(Timestamp::from_millis(*millis)),
            _ => None,
        }
    }
}

impl Decoder {
    pub(crate) fn new(columns: &[SqlColumn]) -> Decoder {
        let columns: Vec<SqlColumn> = columns.iter().filter(|column| column.name != ROWTIME).cloned().collect();
        let cells = columns.iter().map(|column| Cells::new(&column.sql_type.arrow())).collect();
        Decoder { schema: row_schema(&columns), columns, cells, times: Vec::new() }
    }

    /// The names of the columns, which are those of the fields it takes.
    pub(crate) fn names(&self) -> impl Iterator<Item = &str> {
        self.columns.iter().map(|column| column.name.as_str())
    }

    /// Makes a row of `fields`, the first of which are the columns'.
    pub(crate) fn row<'a>(&self, fields: Fields<'a>) -> Result<Row<'a>, Unfit> {
        let cells = self.columns.iter().zip(fields).map(|(column, field)| {
            let Some(field) = field else { return Ok(Cell::Null) };
            let shown = |field: &Field<'_>| field.to_string().chars().take(SHOWN_MAX).collect();
            cell(column.sql_type, field)
                .map_err(|field| Unfit::Value { column: column.name.clone(), value: shown(&field) })
        });
        cells.collect::<Result<_, _>>().map(Row)
    }

    /// Adds a row.
    pub(crate) fn push(&mut self, row: Row<'_>, rowtime: Timestamp) {
        self.cells.iter_mut().zip(row.0).for_each(|(cells, cell)| cells.push(cell));
        self.times.push(rowtime.as_millis());
    }
}

impl Waiting for Decoder {
    fn rows(&self) -> usize {
        self.times.len()
    }

    fn finish(&mut self) -> RecordBatch {
        let mut arrays: Vec<ArrayRef> = Vec::with_capacity(self.schema.fields().len());
        arrays.extend(self.cells.iter_mut().map(Cells::finish));
        arrays.push(Arc::new(TimestampMillisecondArray::from(std::mem::take(&mut self.times))));
        RecordBatch::try_new(Arc::clone(&self.schema), arrays).expect("columns are as long as each other")
    }
}

/// The value as its column holds it; given back where it does not fit.
fn cell(sql_type: SqlType, field: Field<'_>) -> Result<Cell<'_>, Field<'_>> {
    let fitting = match sql_type {
        _ if matches!(field, Field::Null) => Some(Cell::Null),
        SqlType::Varchar(length) => return Ok(Cell::Text(text(field, length))),
        SqlType::Boolean => boolean(&field).map(Cell::Boolean),
        SqlType::Timestamp => time_of(&field).map(Cell::Integer),
        SqlType::Double => number(&field).map(Cell::Double),
        SqlType::Decimal(precision, scale) => {
            let bound = 10_f64.powi(i32::from(precision) - i32::from(scale));
            number(&field).filter(|number| number.abs() < bound - 0.5).map(Cell::Double)
        }
        _ => integer(sql_type, &field).map(Cell::Integer),
    };
    fitting.ok_or(field)
}

/// The value as text of at most `length` characters.
fn text(field: Field<'_>, length: Option<u32>) -> Cow<'_, str> {
    let text = match field {
        Field::Text(text) => text,
        other => Cow::Owned(other.to_string()),
    };
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

fn boolean(field: &Field<'_>) -> Option<bool> {
    match field {
        Field::Boolean(value) => Some(*value),
        Field::Text(text) => text.trim().to_lowercase().parse().ok(),
        _ => None,
    }
}

fn integer(sql_type: SqlType, field: &Field<'_>) -> Option<i64> {
    let (lowest, highest) = sql_type.integer_range()?;
    let integer = match field {
        Field::Number(exact) if exact.is_i64() => exact.as_i64()?,
        other => rounded(number(other)?)?,
    };
    (lowest <= integer && integer <= highest).then_some(integer)
}

fn number(field: &Field<'_>) -> Option<f64> {
    match field {
        Field::Number(number) => number.as_f64(),
        Field::Text(text) => text.trim().parse().ok().filter(|number: &f64| number.is_finite()),
        _ => None,
    }
}

/// The nearest integer, halves away from zero; none where 64 bits do not reach.
pub(crate) fn rounded(number: f64) -> Option<i64> {
    let number = number.round();
    (-9.223_372_036_854_775e18..=9.223_372_036_854_775e18).contains(&number).then_some(number as i64)
}
