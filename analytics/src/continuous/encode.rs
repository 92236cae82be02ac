//! Rows to records: results are assigned to the declared columns by position, then written as JSON objects.

use std::fmt::Write;

use datafusion::arrow::array::{Array, ArrayRef, AsArray, RecordBatch, StringArray};
use datafusion::arrow::compute::{SortColumn, cast, lexsort_to_indices, take_record_batch};
use datafusion::arrow::datatypes::{DataType, Decimal128Type, Float64Type, Int64Type, TimestampMillisecondType};
use datafusion::error::DataFusionError;
use model::clock::Timestamp;

use crate::continuous::decode::json::rounded;
use crate::sql::dialect::Dialect;
use crate::sql::schema::{SqlColumn, SqlType, timestamp_millis};

/// A row ready to be appended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct OutputRow {
    /// The first key's value, if the query has a key and it is not null.
    pub(crate) key: Option<String>,
    /// One JSON object, no newline.
    pub(crate) json: String,
    /// When its window ended, or when the row happened that it was made of.
    pub(crate) time: Timestamp,
}

/// In which order rows are written.
#[derive(Debug, Clone, Copy)]
pub(crate) enum RowOrder {
    /// By their time, then by their keys.
    TimeAndKeys,
    /// By the column at this place.
    Column(usize),
    /// As they are.
    AsTheyAre,
}

/// Writes result rows; knows the declared columns and which result column each one takes.
#[derive(Debug)]
pub(crate) struct Encoder {
    targets: Vec<(SqlColumn, Option<usize>)>,
    dialect: Dialect,
}

impl Encoder {
    /// `targets` are the declared columns, each with the index of the result column it takes; one without is null.
    pub(crate) fn new(targets: Vec<(SqlColumn, Option<usize>)>, dialect: Dialect) -> Encoder {
        Encoder { targets, dialect }
    }

    /// The columns of rows.
    pub(crate) fn columns(&self) -> Vec<SqlColumn> {
        self.targets.iter().map(|(column, _)| column.clone()).collect()
    }

    /// Rows, and why others could not be written. In `batch`, the columns from `values` on are the rows' time and their
    /// keys.
    pub(crate) fn encode(
        &self,
        batch: &RecordBatch,
        values: usize,
        order: RowOrder,
    ) -> Result<(Vec<OutputRow>, Vec<String>), DataFusionError> {
        let (mut rows, mut errors) = (Vec::with_capacity(batch.num_rows()), Vec::new());
        if batch.num_rows() == 0 {
            return Ok((rows, errors));
        }
        let batch = match order {
            RowOrder::TimeAndKeys => sorted(batch, &batch.columns()[values..])?,
            RowOrder::Column(place) => sorted(batch, &batch.columns()[place..=place])?,
            RowOrder::AsTheyAre => batch.clone(),
        };
        let times = cast(batch.column(values), &timestamp_millis())?;
        let times = times.as_primitive::<TimestampMillisecondType>();
        let key = batch.columns().get(values + 1).map(text_of).transpose()?;
        let columns = self
            .targets
            .iter()
            .map(|(column, index)| {
                let name = serde_json::to_string(&column.name).expect("text is JSON");
                Ok((column, name, index.map(|index| Values::new(batch.column(index), column.sql_type)).transpose()?))
            })
            .collect::<Result<Vec<_>, DataFusionError>>()?;
        'rows: for row in 0..batch.num_rows() {
            let mut json = String::from("{");
            for (index, (column, name, values)) in columns.iter().enumerate() {
                if index > 0 {
                    json.push(',');
                }
                json.push_str(name);
                json.push(':');
                let fits =
                    values.as_ref().is_none_or(|values| values.write(row, column.sql_type, self.dialect, &mut json));
                if values.is_none() {
                    json.push_str("null");
                }
                if !fits {
                    errors.push(format!("column `{}` cannot hold the value of its row", column.name));
                    continue 'rows;
                }
            }
            json.push('}');
            let key = key.as_ref().filter(|key| key.is_valid(row)).map(|key| key.value(row).to_owned());
            rows.push(OutputRow { key, json, time: Timestamp::from_millis(times.value(row)) });
        }
        Ok((rows, errors))
    }
}

/// The rows in order of these columns of theirs.
fn sorted(batch: &RecordBatch, columns: &[ArrayRef]) -> Result<RecordBatch, DataFusionError> {
    let column = |column: &ArrayRef| SortColumn { values: ArrayRef::clone(column), options: None };
    let order: Vec<SortColumn> = columns.iter().map(column).collect();
    Ok(take_record_batch(batch, &lexsort_to_indices(&order, None)?)?)
}

/// A result column in the widest type of the declared type's family.
enum Values {
    Boolean(ArrayRef),
    Integer(ArrayRef),
    Double(ArrayRef),
    Decimal(ArrayRef),
    Text(StringArray),
    Time(ArrayRef),
}

impl Values {
    fn new(array: &ArrayRef, sql_type: SqlType) -> Result<Values, DataFusionError> {
        Ok(match sql_type {
            SqlType::Boolean => Values::Boolean(cast(array, &DataType::Boolean)?),
            SqlType::Double => Values::Double(cast(array, &DataType::Float64)?),
            SqlType::Decimal(..) => Values::Decimal(cast(array, &sql_type.arrow())?),
            SqlType::Varchar(_) => Values::Text(text_of(array)?),
            SqlType::Timestamp => Values::Time(cast(array, &timestamp_millis())?),
            _ if array.data_type().is_integer() || *array.data_type() == DataType::Boolean => {
                Values::Integer(cast(array, &DataType::Int64)?)
            }
            _ => Values::Double(cast(array, &DataType::Float64)?),
        })
    }

    /// Writes one value; false where the declared type cannot hold it.
    fn write(&self, row: usize, sql_type: SqlType, dialect: Dialect, json: &mut String) -> bool {
        let array: &dyn Array = match self {
            Values::Text(array) => array,
            Values::Boolean(a) | Values::Integer(a) | Values::Double(a) | Values::Decimal(a) | Values::Time(a) => a,
        };
        if array.is_null(row) {
            json.push_str("null");
            return true;
        }
        let written = match self {
            Values::Boolean(array) => write!(json, "{}", array.as_boolean().value(row)),
            Values::Integer(array) => {
                let value = array.as_primitive::<Int64Type>().value(row);
                return write_integer(Some(value), sql_type, json);
            }
            Values::Double(array) => {
                let value = array.as_primitive::<Float64Type>().value(row);
                if sql_type.integer_range().is_some() {
                    return write_integer(rounded(value), sql_type, json);
                }
                // JSON has no infinity: serde_json writes null.
                json.push_str(&serde_json::to_string(&value).expect("a number is JSON"));
                Ok(())
            }
            Values::Decimal(array) => {
                json.push_str(&array.as_primitive::<Decimal128Type>().value_as_string(row));
                Ok(())
            }
            Values::Text(array) => {
                let text = array.value(row);
                let end = match sql_type {
                    SqlType::Varchar(Some(length)) => text.char_indices().nth(length as usize).map(|(end, _)| end),
                    _ => None,
                };
                let text = &text[..end.unwrap_or(text.len())];
                json.push_str(&serde_json::to_string(text).expect("text is JSON"));
                Ok(())
            }
            Values::Time(array) => {
                let millis = array.as_primitive::<TimestampMillisecondType>().value(row);
                let Ok(at) = jiff::Timestamp::from_millisecond(millis) else { return false };
                // Flink writes a fraction only where there is one.
                let format = match dialect {
                    Dialect::Flink if millis % 1000 == 0 => "%Y-%m-%d %H:%M:%S",
                    _ => "%Y-%m-%d %H:%M:%S%.3f",
                };
                write!(json, "\"{}\"", at.strftime(format))
            }
        };
        written.expect("text takes all writes");
        true
    }
}

fn write_integer(value: Option<i64>, sql_type: SqlType, json: &mut String) -> bool {
    let (lowest, highest) = sql_type.integer_range().expect("the caller has an integer type");
    match value {
        Some(value) if lowest <= value && value <= highest => {
            json.push_str(&value.to_string());
            true
        }
        _ => false,
    }
}

fn text_of(array: &ArrayRef) -> Result<StringArray, DataFusionError> {
    Ok(cast(array, &DataType::Utf8)?.as_string::<i32>().clone())
}
