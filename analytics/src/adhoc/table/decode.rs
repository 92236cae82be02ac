//! Rows to columns: only the columns that a query uses.

use std::collections::HashMap;
use std::sync::Arc;

use datafusion::arrow::array::{RecordBatch, RecordBatchOptions};
use datafusion::arrow::datatypes::{Field, SchemaRef};
use model::query::engine::{SqlError, SqlErrorKind};

use crate::rows::cells::{Cell, Cells, Family};
use crate::rows::json_row::{JsonRow, text_of};
use crate::rows::number::Number;

/// Rows of a batch.
const BATCH_ROWS_MAX: usize = 8192;
/// A batch is full when its rows' text reaches this.
const BATCH_BYTES_MAX: usize = 16 << 20;

/// Collects rows into batches of one schema.
pub(crate) struct BatchDecoder {
    schema: SchemaRef,
    places: HashMap<String, usize>,
    cells: Vec<Cells>,
    rows: usize,
    bytes: usize,
}

impl BatchDecoder {
    /// For the columns of `schema`; keys that are not in it are passed over.
    pub(crate) fn new(schema: SchemaRef) -> Self {
        let places = schema.fields().iter().enumerate().map(|(i, field)| (field.name().clone(), i)).collect();
        let cells = schema.fields().iter().map(|field| Cells::new(field.data_type())).collect();
        BatchDecoder { schema, places, cells, rows: 0, bytes: 0 }
    }

    /// Adds a row. Fails where a value is not of its column's type: that is never a silent NULL.
    pub(crate) fn push(&mut self, row: &JsonRow<'_>) -> Result<(), SqlError> {
        let mut slots: Vec<Option<&str>> = vec![None; self.cells.len()];
        if !slots.is_empty() {
            for (key, raw) in &row.0 {
                if let Some(place) = self.places.get(key.as_ref()) {
                    slots[*place] = Some(raw);
                }
            }
        }
        for (place, raw) in slots.into_iter().enumerate() {
            let raw = raw.filter(|raw| *raw != "null");
            self.bytes += raw.map_or(1, str::len);
            let cells = &mut self.cells[place];
            let cell = cell(cells.family(), raw).ok_or_else(|| changed(self.schema.field(place)))?;
            cells.push(cell);
        }
        self.rows += 1;
        Ok(())
    }

    /// Whether the batch should be taken now.
    pub(crate) fn is_full(&self) -> bool {
        self.rows >= BATCH_ROWS_MAX || self.bytes >= BATCH_BYTES_MAX
    }

    /// The rows since the last batch, if there are any.
    pub(crate) fn take(&mut self) -> Option<RecordBatch> {
        if self.rows == 0 {
            return None;
        }
        let arrays = self.cells.iter_mut().map(Cells::finish).collect();
        let options = RecordBatchOptions::new().with_row_count(Some(self.rows));
        (self.rows, self.bytes) = (0, 0);
        let batch = RecordBatch::try_new_with_options(Arc::clone(&self.schema), arrays, &options);
        Some(batch.expect("every column got one value a row, of its own type"))
    }
}

fn changed(column: &Field) -> SqlError {
    let (name, data_type) = (column.name(), column.data_type());
    let message = format!("a value of column `{name}` is not a {data_type}: the records changed while the query ran");
    SqlError::new(SqlErrorKind::Failed, message)
}

/// The value as its column holds it, null where there is none; none where it is of another family.
fn cell(family: Family, raw: Option<&str>) -> Option<Cell<'_>> {
    let Some(raw) = raw else { return Some(Cell::Null) };
    match family {
        Family::Boolean => raw.parse().ok().map(Cell::Boolean),
        Family::Integer => raw.parse().ok().map(Cell::Integer),
        Family::Double => raw.parse().ok().map(Cell::Double),
        Family::Unsigned => raw.parse().ok().map(Cell::Unsigned),
        Family::Decimal(scale) => Number::parse(raw)?.exactly(scale).map(Cell::Decimal),
        Family::Text => Some(Cell::Text(text_of(raw))),
        // Only tables whose other rows come as columns have times: one in a line makes the column another kind.
        Family::Time => None,
    }
}
