//! Rows to records: results are assigned to the declared columns by position, then written as JSON objects.

use datafusion::arrow::array::{Array, ArrayRef, AsArray, RecordBatch};
use datafusion::arrow::compute::{SortColumn, cast, lexsort_to_indices, take_record_batch};
use datafusion::arrow::datatypes::TimestampMillisecondType;
use datafusion::error::DataFusionError;
use model::clock::Timestamp;

use crate::continuous::assign::{Assigned, text_of};
use crate::rows::convert::name_of;
use crate::sql::dialect::Dialect;
use crate::sql::schema::{SqlColumn, timestamp_millis};

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
                Ok((
                    column,
                    name,
                    index.map(|index| Assigned::new(batch.column(index), column.sql_type, self.dialect)).transpose()?,
                ))
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
                let Some(values) = values else {
                    json.push_str("null");
                    continue;
                };
                if !values.write(row, &mut json) {
                    errors.push(misfit(column, &values.shown(row)));
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

fn misfit(column: &SqlColumn, value: &str) -> String {
    /// Characters of a value in an error's text.
    const SHOWN_MAX: usize = 60;
    let (name, sql_type) = (&column.name, name_of(column.sql_type));
    let shown: String = value.chars().take(SHOWN_MAX).collect();
    format!("column `{name}` of the result is {sql_type} and cannot hold {shown}; declare a type that can")
}
