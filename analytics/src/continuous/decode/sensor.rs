//! Datagrams to rows: the columns that a query names, straight from the bytes. The twin of [`crate::continuous::decode::json`] for streams of
//! sensor datagrams.
//!
//! A column of the query is the sensor column of its name, and must hold all that one can: a wider integer, `DOUBLE` for
//! any number, `TIMESTAMP` for `time`. Numbers that SQL would choke on (NaN, infinities) and integers above 63 bits are null.

use std::sync::Arc;

use datafusion::arrow::array::{Array, ArrayRef, Float64Array, RecordBatch, TimestampMillisecondArray};
use datafusion::arrow::compute::{cast, kernels::substring::substring_by_char};
use datafusion::arrow::datatypes::{DataType, Float64Type, SchemaRef, TimeUnit};
use model::clock::Timestamp;
use model::datagram::columns::SensorColumn;
use model::datagram::payload::Datagram;
use model::datagram::schema::{FieldKind, TIME};
use model::datagram::sensor_stream::SensorStream;

use crate::continuous::decode::waiting::Waiting;
use crate::rows::sensor::{SensorColumns, Shape};
use crate::sql::schema::{ROWTIME, SqlColumn, SqlType, row_schema};

/// A column of a query that sensor records cannot fill.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Unfillable {
    #[error("no column `{column}` in schema {schema}; it has {known}")]
    Missing { column: String, schema: u16, known: String },
    #[error("column `{column}` is {kind} in schema {schema}: declare it {natural}")]
    Type { column: String, schema: u16, kind: String, natural: &'static str },
}

/// Gathers rows until a batch is asked for.
#[derive(Debug)]
pub(crate) struct SensorDecoder {
    sensor: SensorStream,
    types: Vec<SqlType>,
    schema: SchemaRef,
    columns: SensorColumns,
    /// The time of each row.
    times: Vec<i64>,
}

impl SensorDecoder {
    /// For the columns of a query over a stream of such datagrams.
    pub(crate) fn new(sensor: &SensorStream, columns: &[SqlColumn]) -> Result<SensorDecoder, Unfillable> {
        let declared: Vec<SqlColumn> = columns.iter().filter(|column| column.name != ROWTIME).cloned().collect();
        let filled = declared.iter().map(|column| {
            let (name, schema) = (column.name.clone(), sensor.schema_id.0);
            let found = sensor.column(&name).ok_or_else(|| {
                let known = sensor.columns().map(|(name, _)| name).collect::<Vec<_>>().join(", ");
                Unfillable::Missing { column: name.clone(), schema, known }
            })?;
            if holds(column.sql_type, &found) {
                return Ok((found, column.sql_type));
            }
            let (kind, natural) = (format!("{:?}", found.kind).to_lowercase(), name_of(natural(&found)));
            Err(Unfillable::Type { column: name, schema, kind, natural })
        });
        let filled: Vec<(SensorColumn, SqlType)> = filled.collect::<Result<_, _>>()?;
        let types = filled.iter().map(|(_, sql_type)| *sql_type).collect();
        let shaped = filled.into_iter().map(|(column, sql_type)| {
            let is_time = column.name == TIME && sql_type == SqlType::Timestamp;
            (column, if is_time { Shape::Times } else { Shape::AsSent })
        });
        let (columns, schema) = (SensorColumns::new(shaped), row_schema(&declared));
        Ok(SensorDecoder { sensor: sensor.clone(), types, schema, columns, times: Vec::new() })
    }

    /// What its datagrams are.
    pub(crate) fn sensor(&self) -> &SensorStream {
        &self.sensor
    }

    /// Adds the records of datagrams of its stream, all of one time.
    pub(crate) fn push(&mut self, datagrams: &[Datagram<'_>], rowtime: Timestamp) {
        let rows = self.columns.push(datagrams);
        self.times.extend(std::iter::repeat_n(rowtime.as_millis(), rows));
    }
}

impl Waiting for SensorDecoder {
    fn rows(&self) -> usize {
        self.columns.rows()
    }

    fn finish(&mut self) -> RecordBatch {
        let mut arrays: Vec<ArrayRef> = Vec::with_capacity(self.schema.fields().len());
        arrays.extend(self.columns.take().iter().zip(&self.types).map(|(plain, sql_type)| fitted(plain, *sql_type)));
        arrays.push(Arc::new(TimestampMillisecondArray::from(std::mem::take(&mut self.times))));
        RecordBatch::try_new(Arc::clone(&self.schema), arrays).expect("columns are as long as each other")
    }
}

/// The columns of a query that declares none: all there are, in the narrowest types that hold them.
pub(crate) fn columns_of(sensor: &SensorStream) -> Vec<SqlColumn> {
    sensor.all_columns().map(|column| SqlColumn { sql_type: natural(&column), name: column.name }).collect()
}

fn natural(column: &SensorColumn) -> SqlType {
    match column.kind {
        FieldKind::U64 if column.name == TIME => SqlType::Timestamp,
        FieldKind::I8 => SqlType::TinyInt,
        FieldKind::U8 | FieldKind::I16 => SqlType::SmallInt,
        FieldKind::U16 | FieldKind::I32 => SqlType::Integer,
        FieldKind::U32 | FieldKind::U64 | FieldKind::I64 => SqlType::BigInt,
        FieldKind::F32 | FieldKind::F64 => SqlType::Double,
        FieldKind::Text(_) => SqlType::Varchar(None),
    }
}

fn name_of(sql_type: SqlType) -> &'static str {
    match sql_type {
        SqlType::Timestamp => "TIMESTAMP",
        SqlType::TinyInt => "TINYINT",
        SqlType::SmallInt => "SMALLINT",
        SqlType::Integer => "INTEGER",
        SqlType::Double => "DOUBLE",
        SqlType::Varchar(_) => "VARCHAR",
        _ => "BIGINT",
    }
}

/// Whether a column of this type has room for all values of the sensor column.
fn holds(sql_type: SqlType, column: &SensorColumn) -> bool {
    match (sql_type, natural(column)) {
        (declared, natural) if declared == natural => true,
        (SqlType::Varchar(_), SqlType::Varchar(_)) => true,
        // Nanoseconds as they were sent.
        (SqlType::BigInt, SqlType::Timestamp) => true,
        (SqlType::Double, natural) => natural.integer_range().is_some(),
        (SqlType::Decimal(precision, scale), natural) => {
            let digits = natural.integer_range().map(|(_, highest)| highest.to_string().len());
            digits.is_some_and(|digits| digits as i64 <= i64::from(precision) - i64::from(scale))
        }
        (declared, natural) => match (declared.integer_range(), natural.integer_range()) {
            (Some(declared), Some(natural)) => declared.0 <= natural.0 && natural.1 <= declared.1,
            _ => false,
        },
    }
}

/// The values as their column holds them.
fn fitted(plain: &ArrayRef, sql_type: SqlType) -> ArrayRef {
    // Where a cast does not fit, it gives null.
    let cast = |array: &ArrayRef, to: &DataType| cast(array, to).expect("the types were checked when it was planned");
    match sql_type {
        SqlType::Double => finite(cast(plain, &DataType::Float64)),
        SqlType::Timestamp => cast(&cast(plain, &DataType::Timestamp(TimeUnit::Millisecond, None)), &sql_type.arrow()),
        SqlType::Varchar(Some(length)) => substring_by_char_of(plain, u64::from(length)),
        _ => cast(plain, &sql_type.arrow()),
    }
}

fn substring_by_char_of(plain: &ArrayRef, length: u64) -> ArrayRef {
    use datafusion::arrow::array::AsArray;
    let cut = substring_by_char(plain.as_string::<i32>(), 0, Some(length));
    Arc::new(cut.expect("a length that is not negative"))
}

/// NaN and infinities as null, as readers of JSON get them: one broken sensor must not spoil a sum.
fn finite(array: ArrayRef) -> ArrayRef {
    use datafusion::arrow::array::AsArray;
    let numbers = array.as_primitive::<Float64Type>();
    if numbers.null_count() == 0 && numbers.values().iter().all(|number| number.is_finite()) {
        return array;
    }
    Arc::new(numbers.iter().map(|number| number.filter(|number| number.is_finite())).collect::<Float64Array>())
}

#[cfg(test)]
mod tests {
    use datafusion::arrow::util::pretty::pretty_format_batches;
    use model::datagram::header::{Header, SchemaId, SourceId};
    use model::datagram::schema::{Field, Schema};
    use model::datagram::sensor_stream::SensorReaders;

    use super::*;

    fn sensor() -> SensorStream {
        let field = |name: &str, kind| Field { name: name.to_owned(), kind };
        let fields = vec![
            field("rpm", FieldKind::U16),
            field("heat", FieldKind::F32),
            field("total", FieldKind::U64),
            field("site", FieldKind::Text(4)),
        ];
        SensorStream { schema_id: SchemaId(7), schema: Schema::new(fields).unwrap(), readers: SensorReaders::Json }
    }

    fn record(rpm: u16, heat: f32, total: u64, site: &[u8; 4]) -> Vec<u8> {
        [&rpm.to_le_bytes()[..], &heat.to_le_bytes(), &total.to_le_bytes(), site].concat()
    }

    fn column(name: &str, sql_type: SqlType) -> SqlColumn {
        SqlColumn { name: name.to_owned(), sql_type }
    }

    #[test]
    fn columns_hold_what_was_sent_or_null() {
        let columns = [
            column("rpm", SqlType::Decimal(12, 2)),
            column("HEAT", SqlType::Double),
            column("total", SqlType::BigInt),
            column("site", SqlType::Varchar(Some(2))),
            column("time", SqlType::Timestamp),
            column("seq", SqlType::BigInt),
        ];
        let mut decoder = SensorDecoder::new(&sensor(), &columns).unwrap();
        let records =
            [record(500, 0.5, 7, b"ab\0\0"), record(501, f32::NAN, u64::MAX, "é€".as_bytes()[..4].try_into().unwrap())];
        let header = Header {
            tagged: false,
            record_times: false,
            schema_id: SchemaId(7),
            record_len: 18,
            count: 2,
            key_id: 0,
            epoch: 1,
            source_id: SourceId(9),
            first: 41,
            time_nanos: 1_700_000_000_123_456_789,
        };
        let mut bytes = Vec::new();
        Datagram::write(header, &records.concat(), None, &mut bytes);
        let datagram = sensor().read(&bytes).unwrap();
        decoder.push(&[datagram], Timestamp::from_millis(5));
        assert_eq!(decoder.rows(), 2);
        let batch = decoder.finish();
        let table = pretty_format_batches(&[batch.project(&[0, 1, 2, 3, 4, 5]).unwrap()]).unwrap().to_string();
        let expected = "\
            +--------+------+-------+------+-------------------------+-----+\n\
            | rpm    | HEAT | total | site | time                    | seq |\n\
            +--------+------+-------+------+-------------------------+-----+\n\
            | 500.00 | 0.5  | 7     | ab   | 2023-11-14T22:13:20.123 | 41  |\n\
            | 501.00 |      |       | é\u{fffd}   | 2023-11-14T22:13:20.123 | 42  |\n\
            +--------+------+-------+------+-------------------------+-----+";
        assert_eq!(table, expected);
        assert_eq!(decoder.rows(), 0);
    }

    #[test]
    fn columns_that_could_not_hold_all_values_are_refused_by_name() {
        let why =
            |name: &str, sql_type| SensorDecoder::new(&sensor(), &[column(name, sql_type)]).unwrap_err().to_string();
        assert_eq!(why("rpm", SqlType::SmallInt), "column `rpm` is u16 in schema 7: declare it INTEGER");
        assert_eq!(why("heat", SqlType::BigInt), "column `heat` is f32 in schema 7: declare it DOUBLE");
        assert_eq!(why("time", SqlType::Integer), "column `time` is u64 in schema 7: declare it TIMESTAMP");
        assert_eq!(why("site", SqlType::BigInt), "column `site` is text(4) in schema 7: declare it VARCHAR");
        let missing = "no column `speed` in schema 7; it has source, epoch, seq, time, rpm, heat, total, site";
        assert_eq!(why("speed", SqlType::Double), missing);
        assert!(SensorDecoder::new(&sensor(), &columns_of(&sensor())).is_ok());
    }
}
