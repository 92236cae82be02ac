//! Sensor records as a Parquet file: straight from the bytes of datagrams to columns.
//!
//! | column | type | what it holds |
//! | --- | --- | --- |
//! | `arrived_at` | timestamp, ms, UTC | when the stream accepted the datagram |
//! | `source`, `epoch`, `seq` | unsigned 32, 16, 64 bits | who sent the record, and its number |
//! | `time` | timestamp, ns, UTC | when it was measured; null past the year 2262, where 64 signed bits end |
//! | the schema's fields | as registered | |
//!
//! The same records always become the same bytes: row groups follow from the number of rows, and nothing of the time or the
//! machine is written.

use std::io;
use std::sync::Arc;

use arrow::array::{ArrayRef, TimestampMillisecondArray};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef, TimeUnit};
use arrow::record_batch::RecordBatch;
use model::datagram::arrow::{array, times};
use model::datagram::columns::ColumnGatherer;
use model::datagram::payload::Datagram;
use model::datagram::schema::{ARRIVED_AT, FieldKind, TIME};
use model::datagram::sensor_stream::{NotOfStream, SensorStream};
use model::stream::record::Record;
use parquet::arrow::ArrowWriter;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use parquet::basic::{Compression, ZstdLevel};
use parquet::errors::ParquetError;
use parquet::file::properties::WriterProperties;

/// zstd level 1: the values of sensors are noise in their last bits, which no level packs.
const ZSTD_LEVEL: i32 = 1;
/// Rows of a row group.
const ROW_GROUP_ROWS_MAX: usize = 1 << 20;
/// Rows that are gathered before they are handed to the writer.
const BATCH_ROWS_MAX: usize = 1 << 16;
/// Datagrams that are parsed before their columns are gathered.
const BLOCK_DATAGRAMS_MAX: usize = 1024;
/// What the file says it was written by: no version, or an update would write other bytes.
const CREATED_BY: &str = "gallop";

/// A cut as a file.
#[derive(Debug)]
pub struct Packed {
    /// The file; empty where no record is a datagram of the stream.
    pub file: Vec<u8>,
    /// Rows in it.
    pub rows: u64,
    /// The records, by index, that are no datagrams of the stream, and why.
    pub unfit: Vec<(usize, NotOfStream)>,
}

/// Packs the sensor records of some records of a stream.
pub fn pack(sensor: &SensorStream, records: &[Record]) -> io::Result<Packed> {
    let schema = schema_of(sensor);
    let zstd = ZstdLevel::try_new(ZSTD_LEVEL).map_err(io::Error::other)?;
    let properties = WriterProperties::builder()
        .set_created_by(CREATED_BY.to_owned())
        .set_compression(Compression::ZSTD(zstd))
        .set_max_row_group_row_count(Some(ROW_GROUP_ROWS_MAX))
        .build();
    let mut writer =
        ArrowWriter::try_new(Vec::new(), Arc::clone(&schema), Some(properties)).map_err(io::Error::other)?;
    let mut rows = Rows::new(sensor);
    let (mut unfit, mut count) = (Vec::new(), 0);
    for (block, chunk) in records.chunks(BLOCK_DATAGRAMS_MAX).enumerate() {
        let mut datagrams = Vec::with_capacity(chunk.len());
        for (index, record) in chunk.iter().enumerate() {
            match sensor.read(&record.data) {
                Ok(datagram) => datagrams.push((datagram, record.arrived_at.as_millis())),
                Err(why) => unfit.push((block * BLOCK_DATAGRAMS_MAX + index, why)),
            }
        }
        count += rows.push(&datagrams);
        if BATCH_ROWS_MAX <= rows.gatherer.rows() {
            writer.write(&rows.take(&schema)).map_err(io::Error::other)?;
        }
    }
    if rows.gatherer.rows() > 0 {
        writer.write(&rows.take(&schema)).map_err(io::Error::other)?;
    }
    let file = if count == 0 { Vec::new() } else { writer.into_inner().map_err(io::Error::other)? };
    Ok(Packed { file, rows: count, unfit })
}

/// Whether two files hold the same rows in the same order, however they are written.
pub fn same_rows(one: &[u8], other: &[u8]) -> bool {
    let rows = |file: &[u8]| -> Result<RecordBatch, ParquetError> {
        let reader = ParquetRecordBatchReaderBuilder::try_new(bytes::Bytes::copy_from_slice(file))?;
        let schema = Arc::clone(reader.schema());
        let batches = reader.build()?.collect::<Result<Vec<_>, _>>()?;
        Ok(arrow::compute::concat_batches(&schema, &batches)?)
    };
    matches!((rows(one), rows(other)), (Ok(one), Ok(other)) if one == other)
}

/// Rows on their way into columns.
struct Rows {
    gatherer: ColumnGatherer,
    arrived_at: Vec<i64>,
}

impl Rows {
    fn new(sensor: &SensorStream) -> Rows {
        Rows { gatherer: ColumnGatherer::new(sensor.all_columns()), arrived_at: Vec::new() }
    }

    /// Adds the records of datagrams and says how many they are.
    fn push(&mut self, datagrams: &[(Datagram<'_>, i64)]) -> u64 {
        let before = self.gatherer.rows();
        let alone: Vec<Datagram<'_>> = datagrams.iter().map(|(datagram, _)| *datagram).collect();
        self.gatherer.push(&alone);
        for (datagram, arrived_at) in datagrams {
            self.arrived_at.extend(std::iter::repeat_n(*arrived_at, usize::from(datagram.header.count)));
        }
        (self.gatherer.rows() - before) as u64
    }

    fn take(&mut self, schema: &SchemaRef) -> RecordBatch {
        let arrived_at = TimestampMillisecondArray::from(std::mem::take(&mut self.arrived_at)).with_timezone("UTC");
        let mut columns: Vec<ArrayRef> = vec![Arc::new(arrived_at)];
        for (values, field) in self.gatherer.take().into_iter().zip(&schema.fields()[1..]) {
            columns.push(match field.name().as_str() {
                TIME => Arc::new(times(values).with_timezone("UTC")),
                _ => array(values),
            });
        }
        RecordBatch::try_new(Arc::clone(schema), columns)
            .expect("columns are as long as each other, of their own types")
    }
}

fn schema_of(sensor: &SensorStream) -> SchemaRef {
    let utc = |unit| DataType::Timestamp(unit, Some("UTC".into()));
    let columns = sensor.columns().map(|(name, kind)| match name {
        TIME => Field::new(name, utc(TimeUnit::Nanosecond), true),
        _ => Field::new(name, data_type(kind), false),
    });
    let arrived_at = Field::new(ARRIVED_AT, utc(TimeUnit::Millisecond), false);
    Arc::new(Schema::new(std::iter::once(arrived_at).chain(columns).collect::<Vec<_>>()))
}

fn data_type(kind: FieldKind) -> DataType {
    match kind {
        FieldKind::U8 => DataType::UInt8,
        FieldKind::U16 => DataType::UInt16,
        FieldKind::U32 => DataType::UInt32,
        FieldKind::U64 => DataType::UInt64,
        FieldKind::I8 => DataType::Int8,
        FieldKind::I16 => DataType::Int16,
        FieldKind::I32 => DataType::Int32,
        FieldKind::I64 => DataType::Int64,
        FieldKind::F32 => DataType::Float32,
        FieldKind::F64 => DataType::Float64,
        FieldKind::Text(_) => DataType::Utf8,
    }
}
