//! Rows of SQL as JSON lines: one object per row, its keys in the order of the columns, nulls written out.

use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::Decimal128Type;
use arrow_array::{Array, Decimal128Array, RecordBatch};
use arrow_cast::cast;
use arrow_json::WriterBuilder;
use arrow_json::writer::{Encoder, EncoderFactory, EncoderOptions, LineDelimited, NullableEncoder};
use arrow_schema::{ArrowError, DataType, Field, FieldRef, Schema};
use bytes::Bytes;
use futures::StreamExt;
use futures::stream::{self, BoxStream};

use super::engine::{SqlError, SqlErrorKind, SqlRows};

/// Decimals of so many digits have room for more than were put: they are written without zeros at their end.
const FOUND_DIGITS: u8 = 38;

/// Rows that are written at once: few enough that a thread which also serves others is soon free again.
const ROWS_AT_ONCE_MAX: usize = 1024;

/// The rows as chunks of whole lines, each line ended by `\n`. The first error ends them.
pub fn json_lines(rows: SqlRows) -> BoxStream<'static, Result<Bytes, SqlError>> {
    let pieces = rows.batches.flat_map(|batch| match batch {
        Ok(batch) => stream::iter(pieces(&batch).into_iter().map(Ok).collect::<Vec<_>>()),
        Err(error) => stream::iter(vec![Err(error)]),
    });
    pieces.map(|piece| piece.and_then(|piece| lines_of(&piece).map_err(unwritable))).boxed()
}

fn unwritable(error: ArrowError) -> SqlError {
    SqlError::new(SqlErrorKind::Failed, format!("writing rows: {error}"))
}

fn pieces(batch: &RecordBatch) -> Vec<RecordBatch> {
    let starts = (0..batch.num_rows()).step_by(ROWS_AT_ONCE_MAX);
    starts.map(|start| batch.slice(start, ROWS_AT_ONCE_MAX.min(batch.num_rows() - start))).collect()
}

/// The lines of one batch.
pub fn lines_of(batch: &RecordBatch) -> Result<Bytes, ArrowError> {
    if batch.num_columns() == 0 {
        return Ok(Bytes::from("{}\n".repeat(batch.num_rows())));
    }
    let batch = with_text_for_intervals(batch)?;
    let builder = WriterBuilder::new().with_explicit_nulls(true).with_encoder_factory(Arc::new(ShortDecimals));
    let mut writer = builder.build::<_, LineDelimited>(Vec::new());
    writer.write(&batch)?;
    writer.finish()?;
    Ok(Bytes::from(writer.into_inner()))
}

/// JSON has no form for intervals: they become text.
fn with_text_for_intervals(batch: &RecordBatch) -> Result<RecordBatch, ArrowError> {
    let is_interval = |field: &Arc<Field>| matches!(field.data_type(), DataType::Interval(_));
    let schema = batch.schema();
    if !schema.fields().iter().any(is_interval) {
        return Ok(batch.clone());
    }
    let mut fields = Vec::new();
    let mut arrays = Vec::new();
    for (field, array) in schema.fields().iter().zip(batch.columns()) {
        let data_type = if is_interval(field) { DataType::Utf8 } else { field.data_type().clone() };
        arrays.push(cast(array, &data_type)?);
        fields.push(Field::new(field.name(), data_type, true));
    }
    RecordBatch::try_new(Arc::new(Schema::new(fields)), arrays)
}

/// Writes the decimals of [`FOUND_DIGITS`].
#[derive(Debug)]
struct ShortDecimals;

impl EncoderFactory for ShortDecimals {
    fn make_default_encoder<'a>(
        &self,
        _: &'a FieldRef,
        array: &'a dyn Array,
        _: &'a EncoderOptions,
    ) -> Result<Option<NullableEncoder<'a>>, ArrowError> {
        let decimals = array.as_primitive_opt::<Decimal128Type>();
        let decimals = decimals.filter(|decimals| decimals.precision() == FOUND_DIGITS);
        Ok(decimals.map(|decimals| NullableEncoder::new(Box::new(ShortDecimal(decimals)), decimals.nulls().cloned())))
    }
}

struct ShortDecimal<'a>(&'a Decimal128Array);

impl Encoder for ShortDecimal<'_> {
    fn encode(&mut self, row: usize, out: &mut Vec<u8>) {
        let text = self.0.value_as_string(row);
        let short = if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.') } else { &text };
        out.extend_from_slice(short.as_bytes());
    }
}

#[cfg(test)]
mod tests {
    use arrow_array::types::IntervalDayTime;
    use arrow_array::{
        ArrayRef, Float64Array, Int64Array, IntervalDayTimeArray, RecordBatchOptions, StringArray,
        TimestampMillisecondArray,
    };
    use futures::TryStreamExt;

    use super::*;

    #[test]
    fn every_column_is_written_and_nulls_too() {
        let columns: Vec<(&str, ArrayRef)> = vec![
            ("n", Arc::new(Int64Array::from(vec![Some(i64::MAX), None]))),
            ("text", Arc::new(StringArray::from(vec![Some("a \"b\" é"), None]))),
            ("half", Arc::new(Float64Array::from(vec![Some(0.5), Some(2.0)]))),
            ("euros", Arc::new(Decimal128Array::from(vec![1250, 7]).with_precision_and_scale(9, 2).expect("it fits"))),
            ("at", Arc::new(TimestampMillisecondArray::from(vec![Some(1_521_343_200_123), None]))),
            ("span", Arc::new(IntervalDayTimeArray::from(vec![Some(IntervalDayTime::new(1, 2000)), None]))),
        ];
        let batch = RecordBatch::try_from_iter(columns).expect("columns of one length");
        let lines = lines_of(&batch).expect("rows");
        let expected = "{\"n\":9223372036854775807,\"text\":\"a \\\"b\\\" é\",\"half\":0.5,\"euros\":12.50,\
            \"at\":\"2018-03-18T03:20:00.123\",\"span\":\"1 days 2.000 secs\"}\n\
            {\"n\":null,\"text\":null,\"half\":2.0,\"euros\":0.07,\"at\":null,\"span\":null}\n";
        assert_eq!(std::str::from_utf8(&lines).expect("text"), expected);
    }

    #[test]
    fn decimals_that_were_found_show_only_digits_that_were_put() {
        let decimals = Decimal128Array::from(vec![Some(90_071_992_547_409_930), Some(15), Some(-100), Some(0), None]);
        let decimals: ArrayRef = Arc::new(decimals.with_precision_and_scale(38, 1).expect("it fits"));
        let batch = RecordBatch::try_from_iter([("id", decimals)]).expect("one column");
        let expected = "{\"id\":9007199254740993}\n{\"id\":1.5}\n{\"id\":-10}\n{\"id\":0}\n{\"id\":null}\n";
        assert_eq!(std::str::from_utf8(&lines_of(&batch).expect("rows")).expect("text"), expected);
    }

    #[tokio::test]
    async fn long_batches_come_in_pieces_and_an_error_comes_last() {
        let numbers: ArrayRef = Arc::new((0..2500).map(Some).collect::<Int64Array>());
        let batch = RecordBatch::try_from_iter([("n", numbers)]).expect("one column");
        let failure = SqlError::new(SqlErrorKind::LimitExceeded, "out of time");
        let batches = stream::iter([Ok(batch.clone()), Err(failure.clone())]).boxed();
        let mut lines = json_lines(SqlRows { schema: batch.schema(), batches });
        let mut counts = Vec::new();
        while let Ok(Some(chunk)) = lines.try_next().await {
            counts.push(chunk.iter().filter(|byte| **byte == b'\n').count());
        }
        assert_eq!(counts, [1024, 1024, 452]);
    }

    #[test]
    fn rows_without_columns_are_empty_objects() {
        let options = RecordBatchOptions::new().with_row_count(Some(2));
        let batch = RecordBatch::try_new_with_options(Arc::new(Schema::empty()), Vec::new(), &options).expect("rows");
        assert_eq!(&lines_of(&batch).expect("rows")[..], b"{}\n{}\n");
    }
}
