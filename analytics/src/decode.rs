//! Records to rows: JSON objects into Arrow columns. A record is taken whole or not at all.

use std::sync::Arc;

use datafusion::arrow::array::{
    ArrayRef, BooleanArray, Float64Array, Int64Array, RecordBatch, StringArray, TimestampMillisecondArray,
};
use datafusion::arrow::compute::cast;
use datafusion::arrow::datatypes::SchemaRef;
use model::clock::Timestamp;
use serde_json::{Map, Value};

use crate::schema::{ROWTIME, SqlColumn, SqlType, source_schema};
use crate::window::Window;

/// Why a record is left out.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Unfit {
    #[error("not JSON")]
    Json(#[source] serde_json::Error),
    #[error("not a JSON object")]
    NotAnObject,
    #[error("column `{column}` cannot hold {value}")]
    Value { column: String, value: String },
}

/// The JSON objects of a record: usually one; blanks between and after are fine.
pub(crate) fn objects(data: &[u8]) -> Result<Vec<Map<String, Value>>, Unfit> {
    let mut objects = Vec::with_capacity(1);
    for document in serde_json::Deserializer::from_slice(data).into_iter::<Value>() {
        match document.map_err(Unfit::Json)? {
            Value::Object(object) => objects.push(object),
            _ => return Err(Unfit::NotAnObject),
        }
    }
    if objects.is_empty() { Err(Unfit::NotAnObject) } else { Ok(objects) }
}

/// Milliseconds since the epoch of `yyyy-MM-dd HH:mm:ss[.SSS]`, RFC 3339, or a number of milliseconds.
pub(crate) fn time_of(value: &Value) -> Option<i64> {
    match value {
        Value::Number(number) => number.as_i64().or_else(|| number.as_f64().map(|millis| millis as i64)),
        Value::String(text) => {
            let text = text.trim();
            if let Ok(at) = text.parse::<jiff::Timestamp>() {
                return Some(at.as_millisecond());
            }
            let civil = text.parse::<jiff::civil::DateTime>().ok()?;
            Some(civil.to_zoned(jiff::tz::TimeZone::UTC).ok()?.timestamp().as_millisecond())
        }
        _ => None,
    }
}

/// Gathers rows until a batch is asked for.
#[derive(Debug)]
pub(crate) struct Decoder {
    columns: Vec<SqlColumn>,
    schema: SchemaRef,
    cells: Vec<Cells>,
    /// Per row: its time, its window's start and end.
    times: [Vec<i64>; 3],
}

/// The values of one column, in the widest type of their family.
#[derive(Debug)]
enum Cells {
    Boolean(Vec<Option<bool>>),
    Integer(Vec<Option<i64>>),
    Double(Vec<Option<f64>>),
    Text(Vec<Option<String>>),
    Time(Vec<Option<i64>>),
}

/// One value on its way into a column.
enum Cell {
    Null,
    Boolean(bool),
    Integer(i64),
    Double(f64),
    Text(String),
}

impl Decoder {
    pub(crate) fn new(columns: &[SqlColumn]) -> Decoder {
        let columns: Vec<SqlColumn> = columns.iter().filter(|column| column.name != ROWTIME).cloned().collect();
        let cells = columns.iter().map(|column| Cells::of(column.sql_type)).collect();
        Decoder { schema: source_schema(&columns), columns, cells, times: Default::default() }
    }

    /// How many rows wait.
    pub(crate) fn rows(&self) -> usize {
        self.times[0].len()
    }

    /// Adds a row.
    pub(crate) fn push(
        &mut self,
        object: &Map<String, Value>,
        rowtime: Timestamp,
        window: Window,
    ) -> Result<(), Unfit> {
        let row: Vec<Cell> = self
            .columns
            .iter()
            .map(|column| {
                let value = object.get(&column.name).or_else(|| {
                    object.iter().find(|(name, _)| name.eq_ignore_ascii_case(&column.name)).map(|(_, value)| value)
                });
                cell(column.sql_type, value.unwrap_or(&Value::Null))
                    .ok_or_else(|| Unfit::Value { column: column.name.clone(), value: shortened(value) })
            })
            .collect::<Result<_, _>>()?;
        self.cells.iter_mut().zip(row).for_each(|(cells, cell)| cells.push(cell));
        for (times, time) in self.times.iter_mut().zip([rowtime, window.start, window.end]) {
            times.push(time.as_millis());
        }
        Ok(())
    }

    /// Everything gathered, as a batch.
    pub(crate) fn finish(&mut self) -> RecordBatch {
        let mut arrays: Vec<ArrayRef> = Vec::with_capacity(self.schema.fields().len());
        for (cells, column) in self.cells.iter_mut().zip(&self.columns) {
            let array = std::mem::replace(cells, Cells::of(column.sql_type)).into_array();
            arrays.push(cast(&array, &column.sql_type.arrow()).expect("values were checked to fit their column"));
        }
        for times in &mut self.times {
            arrays.push(Arc::new(TimestampMillisecondArray::from(std::mem::take(times))));
        }
        RecordBatch::try_new(Arc::clone(&self.schema), arrays).expect("columns are as long as each other")
    }
}

impl Cells {
    fn of(sql_type: SqlType) -> Cells {
        match sql_type {
            SqlType::Boolean => Cells::Boolean(Vec::new()),
            SqlType::Double | SqlType::Decimal(..) => Cells::Double(Vec::new()),
            SqlType::Varchar(_) => Cells::Text(Vec::new()),
            SqlType::Timestamp => Cells::Time(Vec::new()),
            _ => Cells::Integer(Vec::new()),
        }
    }

    fn push(&mut self, cell: Cell) {
        match (self, cell) {
            (Cells::Boolean(cells), Cell::Boolean(value)) => cells.push(Some(value)),
            (Cells::Integer(cells) | Cells::Time(cells), Cell::Integer(value)) => cells.push(Some(value)),
            (Cells::Double(cells), Cell::Double(value)) => cells.push(Some(value)),
            (Cells::Text(cells), Cell::Text(value)) => cells.push(Some(value)),
            (Cells::Boolean(cells), _) => cells.push(None),
            (Cells::Integer(cells) | Cells::Time(cells), _) => cells.push(None),
            (Cells::Double(cells), _) => cells.push(None),
            (Cells::Text(cells), _) => cells.push(None),
        }
    }

    fn into_array(self) -> ArrayRef {
        match self {
            Cells::Boolean(cells) => Arc::new(BooleanArray::from(cells)),
            Cells::Integer(cells) => Arc::new(Int64Array::from(cells)),
            Cells::Double(cells) => Arc::new(Float64Array::from(cells)),
            Cells::Text(cells) => Arc::new(StringArray::from(cells)),
            Cells::Time(cells) => Arc::new(TimestampMillisecondArray::from(cells)),
        }
    }
}

/// The value as its column holds it; none where it does not fit.
fn cell(sql_type: SqlType, value: &Value) -> Option<Cell> {
    if value.is_null() {
        return Some(Cell::Null);
    }
    match sql_type {
        SqlType::Boolean => match value {
            Value::Bool(value) => Some(Cell::Boolean(*value)),
            Value::String(text) => text.trim().to_lowercase().parse().ok().map(Cell::Boolean),
            _ => None,
        },
        SqlType::Varchar(length) => {
            let mut text = match value {
                Value::String(text) => text.clone(),
                other => other.to_string(),
            };
            if let Some((end, _)) = length.and_then(|length| text.char_indices().nth(length as usize)) {
                text.truncate(end);
            }
            Some(Cell::Text(text))
        }
        SqlType::Timestamp => time_of(value).map(Cell::Integer),
        SqlType::Double => number(value).map(Cell::Double),
        SqlType::Decimal(precision, scale) => {
            let bound = 10_f64.powi(i32::from(precision) - i32::from(scale));
            number(value).filter(|number| number.abs() < bound - 0.5).map(Cell::Double)
        }
        _ => {
            let (lowest, highest) = sql_type.integer_range()?;
            let integer = match value {
                Value::Number(exact) if exact.is_i64() => exact.as_i64()?,
                other => rounded(number(other)?)?,
            };
            (lowest <= integer && integer <= highest).then_some(Cell::Integer(integer))
        }
    }
}

fn number(value: &Value) -> Option<f64> {
    match value {
        Value::Number(number) => number.as_f64(),
        Value::String(text) => text.trim().parse().ok().filter(|number: &f64| number.is_finite()),
        _ => None,
    }
}

/// The nearest integer, halves away from zero; none where 64 bits do not reach.
pub(crate) fn rounded(number: f64) -> Option<i64> {
    let number = number.round();
    (-9.223_372_036_854_775e18..=9.223_372_036_854_775e18).contains(&number).then_some(number as i64)
}

/// A value for an error's text.
fn shortened(value: Option<&Value>) -> String {
    const SHOWN_MAX: usize = 60;
    value.map(Value::to_string).unwrap_or_default().chars().take(SHOWN_MAX).collect()
}
