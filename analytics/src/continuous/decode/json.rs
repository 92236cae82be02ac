//! Records to rows: JSON objects into Arrow columns. A record is taken whole or not at all.

use std::sync::Arc;

use datafusion::arrow::array::{ArrayRef, RecordBatch, TimestampMillisecondArray};
use datafusion::arrow::datatypes::SchemaRef;
use model::clock::Timestamp;
use model::text::json_object::NotAnObject;

use crate::continuous::decode::waiting::Waiting;
use crate::rows::cells::{Cell, Cells};
use crate::rows::column_kind::ColumnKind;
use crate::rows::convert::{convert, name_of};
use crate::rows::field::Fields;
use crate::rows::json_row::JsonRow;
use crate::sql::schema::{ROWTIME, SqlColumn, row_schema};

/// Why a record is left out.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Unfit {
    #[error("no JSON objects: {0}")]
    Json(#[from] serde_json::Error),
    #[error("no JSON objects: {0}")]
    Text(#[from] NotAnObject),
    #[error(
        "column `{column}` is {sql_type} and cannot hold {value}: {why}; send other values, or declare another type"
    )]
    Value { column: String, sql_type: String, value: String, why: &'static str },
}

/// The values of an object: names in order, with their kinds.
pub(crate) type Kinds = Vec<(String, ColumnKind)>;

/// The kinds of all fields of a record's JSON objects; at least one object.
pub(crate) fn objects(data: &[u8]) -> Result<Vec<Kinds>, Unfit> {
    let kinds =
        |row: JsonRow<'_>| row.0.into_iter().map(|(name, raw)| (name.into_owned(), ColumnKind::of(raw))).collect();
    Ok(JsonRow::read_all(data)?.into_iter().map(kinds).collect())
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
            convert(&field, column.sql_type).map_err(|misfit| Unfit::Value {
                column: column.name.clone(),
                sql_type: name_of(column.sql_type),
                value: field.to_string().chars().take(SHOWN_MAX).collect(),
                why: misfit.0,
            })
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
