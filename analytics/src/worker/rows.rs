//! Columns and rows as bodies of frames: Arrow's IPC streams, each whole in itself.
//!
//! A batch is cut into pieces, so that the server holds a few MiB of an answer at a time, however wide the rows are.

use std::io::Cursor;
use std::sync::Arc;

use bytes::Bytes;
use datafusion::arrow::array::{Array, ArrayRef, AsArray, RecordBatch};
use datafusion::arrow::datatypes::{DataType, Schema, SchemaRef};
use datafusion::arrow::error::ArrowError;
use datafusion::arrow::ipc::reader::StreamReader;
use datafusion::arrow::ipc::writer::StreamWriter;
use model::query::engine::{SqlError, SqlErrorKind};
use model::query::json_lines::lines_of;

use crate::error::failed;
use crate::worker::frame::BODY_BYTES_MAX;

/// A piece of several rows is cut again over this.
const PIECE_BYTES: usize = 2 << 20;
/// Rows of a piece.
const PIECE_ROWS_MAX: usize = 8192;
/// The largest single row.
const ROW_BYTES_MAX: usize = 16 << 20;
/// The largest single row as JSON, where some characters take six bytes.
const ROW_JSON_BYTES_MAX: usize = 32 << 20;

/// The columns as a body.
pub(crate) fn columns(schema: &Schema) -> Result<Bytes, SqlError> {
    let body = encode(schema, None)?;
    if BODY_BYTES_MAX < body.len() {
        let message = format!("the names and types of the columns have {} bytes, over {BODY_BYTES_MAX}", body.len());
        return Err(SqlError::new(SqlErrorKind::LimitExceeded, message));
    }
    Ok(body)
}

/// The columns that [`columns`] wrote.
pub(crate) fn read_columns(body: &[u8]) -> Result<SchemaRef, SqlError> {
    StreamReader::try_new(Cursor::new(body), None).map(|reader| reader.schema()).map_err(unreadable)
}

/// The rows that a body of [`Pieces`] has.
pub(crate) fn read_rows(body: &[u8]) -> Result<RecordBatch, SqlError> {
    let mut reader = StreamReader::try_new(Cursor::new(body), None).map_err(unreadable)?;
    let batch = reader.next().unwrap_or_else(|| Err(ArrowError::IpcError("no rows".to_owned())));
    batch.map_err(unreadable)
}

/// A batch as bodies, piece by piece.
pub(crate) struct Pieces {
    /// What is left, the next piece last.
    left: Vec<RecordBatch>,
}

impl Pieces {
    /// Cuts `batch`.
    pub(crate) fn of(batch: &RecordBatch) -> Pieces {
        let starts = (0..batch.num_rows()).step_by(PIECE_ROWS_MAX).rev();
        let left = starts.map(|start| batch.slice(start, PIECE_ROWS_MAX.min(batch.num_rows() - start))).collect();
        Pieces { left }
    }
}

impl Iterator for Pieces {
    type Item = Result<Bytes, SqlError>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            let batch = self.left.pop()?;
            let rows = batch.num_rows();
            let body = match encode(&batch.schema(), Some(&batch)) {
                Ok(body) => body,
                Err(error) => return Some(Err(error)),
            };
            if body.len() <= PIECE_BYTES {
                return Some(Ok(body));
            }
            if rows <= 1 {
                return Some(check_row(&batch, &body).map(|()| body));
            }
            let parts = body.len().div_ceil(PIECE_BYTES).clamp(2, rows);
            let each = rows.div_ceil(parts);
            let starts = (0..rows).step_by(each).rev();
            self.left.extend(starts.map(|start| compact(&batch.slice(start, each.min(rows - start)))));
        }
    }
}

/// Error: a row that would take too much memory of the server, as it is or once it is written for a client.
fn check_row(row: &RecordBatch, body: &[u8]) -> Result<(), SqlError> {
    let too_large = |bytes: usize, form: &str, bytes_max: usize| {
        let message = format!("a row of the answer has {bytes} bytes{form}, over the limit of {bytes_max}");
        let suggestion = Some("select fewer or shorter columns".to_owned());
        Err(SqlError { suggestion, ..SqlError::new(SqlErrorKind::LimitExceeded, message) })
    };
    if ROW_BYTES_MAX < body.len() {
        return too_large(body.len(), "", ROW_BYTES_MAX);
    }
    let json = lines_of(row).map_err(|error| failed("writing rows", &error))?.len();
    if ROW_JSON_BYTES_MAX < json { too_large(json, " as JSON", ROW_JSON_BYTES_MAX) } else { Ok(()) }
}

/// The rows without bytes that only others of their batch use: views share their text, and all of it would be written.
fn compact(batch: &RecordBatch) -> RecordBatch {
    let columns: Vec<ArrayRef> = batch
        .columns()
        .iter()
        .map(|column| -> ArrayRef {
            match column.data_type() {
                DataType::Utf8View => Arc::new(column.as_string_view().gc()),
                DataType::BinaryView => Arc::new(column.as_binary_view().gc()),
                _ => Arc::clone(column),
            }
        })
        .collect();
    match columns.is_empty() {
        true => batch.clone(),
        false => RecordBatch::try_new(batch.schema(), columns).expect("the columns have the types that they had"),
    }
}

fn encode(schema: &Schema, batch: Option<&RecordBatch>) -> Result<Bytes, SqlError> {
    let write = || {
        let mut writer = StreamWriter::try_new(Vec::new(), schema)?;
        batch.map_or(Ok(()), |batch| writer.write(batch))?;
        writer.into_inner()
    };
    write().map(Bytes::from).map_err(|error| failed("writing rows", &error))
}

fn unreadable(error: ArrowError) -> SqlError {
    failed("reading rows of the process that answers", &error)
}

#[cfg(test)]
mod tests {
    use datafusion::arrow::array::{Int64Array, RecordBatchOptions, StringArray, StringViewArray};

    use super::*;

    fn pieces(batch: &RecordBatch) -> Result<Vec<RecordBatch>, SqlError> {
        Pieces::of(batch).map(|piece| read_rows(&piece?)).collect()
    }

    fn batch(columns: Vec<(&str, ArrayRef)>) -> RecordBatch {
        RecordBatch::try_from_iter(columns).unwrap()
    }

    #[test]
    fn rows_come_out_as_they_went_in() {
        let numbers: ArrayRef = Arc::new((0..20_000).map(|n| (n % 3 > 0).then_some(n)).collect::<Int64Array>());
        let whole = batch(vec![("n", numbers)]);
        let found = pieces(&whole).unwrap();
        assert_eq!(found.iter().map(RecordBatch::num_rows).collect::<Vec<_>>(), [8192, 8192, 3616]);
        assert_eq!(datafusion::arrow::compute::concat_batches(&whole.schema(), &found).unwrap(), whole);
        assert_eq!(read_columns(&columns(&whole.schema()).unwrap()).unwrap(), whole.schema());
        let empty = RecordBatchOptions::new().with_row_count(Some(7));
        let empty = RecordBatch::try_new_with_options(Arc::new(Schema::empty()), Vec::new(), &empty).unwrap();
        assert_eq!(pieces(&empty).unwrap()[0].num_rows(), 7);
    }

    #[test]
    fn wide_rows_come_in_small_pieces_and_one_row_over_the_bound_is_refused() {
        let text = "x".repeat(300 << 10);
        let plain: ArrayRef = Arc::new((0..40).map(|_| Some(text.as_str())).collect::<StringArray>());
        let views: ArrayRef = Arc::new((0..40).map(|_| Some(text.as_str())).collect::<StringViewArray>());
        for wide in [plain, views] {
            let whole = batch(vec![("text", wide)]);
            let found = pieces(&whole).unwrap();
            assert!(found.len() >= 6, "{} pieces", found.len());
            assert_eq!(datafusion::arrow::compute::concat_batches(&whole.schema(), &found).unwrap(), whole);
        }
        let row = |text: String| pieces(&batch(vec![("text", Arc::new(StringArray::from(vec![text])) as ArrayRef)]));
        assert!(row("x".repeat(ROW_BYTES_MAX - (1 << 10))).is_ok());
        for (huge, expected) in [("x".repeat(ROW_BYTES_MAX), "over the limit"), ("\u{1}".repeat(6 << 20), "as JSON")] {
            let error = row(huge).unwrap_err();
            assert!(error.kind == SqlErrorKind::LimitExceeded && error.message.contains(expected), "{error}");
        }
    }
}
