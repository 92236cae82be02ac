//! Rows to columns: only the columns that a query uses.

use std::collections::HashMap;
use std::sync::Arc;

use datafusion::arrow::array::{
    ArrayRef, BooleanBuilder, Float64Builder, Int64Builder, RecordBatch, RecordBatchOptions, StringBuilder,
    TimestampNanosecondBuilder, UInt64Builder,
};
use datafusion::arrow::datatypes::{DataType, SchemaRef};
use model::query::engine::{SqlError, SqlErrorKind};

use crate::rows::json_row::{JsonRow, text_of};

/// Rows of a batch.
const BATCH_ROWS_MAX: usize = 8192;
/// A batch is full when its rows' text reaches this.
const BATCH_BYTES_MAX: usize = 16 << 20;

enum Cells {
    Bool(BooleanBuilder),
    Int(Int64Builder),
    Double(Float64Builder),
    Text(StringBuilder),
    /// Of a table whose other rows come as columns; a line that has such a value would make the column another kind.
    Unsigned(UInt64Builder),
    /// The same.
    Time(TimestampNanosecondBuilder),
}

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
            if !self.cells[place].push(raw) {
                let column = self.schema.field(place);
                return Err(SqlError::new(
                    SqlErrorKind::Failed,
                    format!(
                        "a value of column `{}` is not a {}: the records changed while the query ran",
                        column.name(),
                        column.data_type()
                    ),
                ));
            }
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

impl Cells {
    fn new(data_type: &DataType) -> Self {
        match data_type {
            DataType::Boolean => Cells::Bool(BooleanBuilder::new()),
            DataType::Int64 => Cells::Int(Int64Builder::new()),
            DataType::Float64 => Cells::Double(Float64Builder::new()),
            DataType::UInt64 => Cells::Unsigned(UInt64Builder::new()),
            DataType::Timestamp(..) => Cells::Time(TimestampNanosecondBuilder::new().with_data_type(data_type.clone())),
            _ => Cells::Text(StringBuilder::new()),
        }
    }

    /// Adds a value or a null; false when it is not of this type.
    fn push(&mut self, raw: Option<&str>) -> bool {
        let Some(raw) = raw else {
            match self {
                Cells::Bool(cells) => cells.append_null(),
                Cells::Int(cells) => cells.append_null(),
                Cells::Double(cells) => cells.append_null(),
                Cells::Text(cells) => cells.append_null(),
                Cells::Unsigned(cells) => cells.append_null(),
                Cells::Time(cells) => cells.append_null(),
            }
            return true;
        };
        match self {
            Cells::Bool(cells) => raw.parse().map(|value| cells.append_value(value)).is_ok(),
            Cells::Int(cells) => raw.parse().map(|value| cells.append_value(value)).is_ok(),
            Cells::Double(cells) => raw.parse().map(|value| cells.append_value(value)).is_ok(),
            Cells::Unsigned(cells) => raw.parse().map(|value| cells.append_value(value)).is_ok(),
            Cells::Time(_) => false,
            Cells::Text(cells) => {
                cells.append_value(text_of(raw));
                true
            }
        }
    }

    fn finish(&mut self) -> ArrayRef {
        match self {
            Cells::Bool(cells) => Arc::new(cells.finish()),
            Cells::Int(cells) => Arc::new(cells.finish()),
            Cells::Double(cells) => Arc::new(cells.finish()),
            Cells::Text(cells) => Arc::new(cells.finish()),
            Cells::Unsigned(cells) => Arc::new(cells.finish()),
            Cells::Time(cells) => Arc::new(cells.finish()),
        }
    }
}
