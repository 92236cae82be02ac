//! The tail of a stream of sensor datagrams as columns; the twin of [`crate::adhoc::table::decode`].

use std::collections::HashMap;
use std::sync::Arc;

use datafusion::arrow::array::{ArrayRef, RecordBatch, TimestampMillisecondArray};
use datafusion::arrow::datatypes::SchemaRef;
use model::datagram::schema::{ARRIVED_AT, TIME};
use model::datagram::sensor_stream::SensorStream;
use model::query::engine::SqlError;
use model::stream::record::Record;

use crate::rows::column_kind::{ColumnKind, Columns};
use crate::rows::fit::fit;
use crate::rows::sensor::{Block, SensorColumns, Shape};

/// Rows of a batch.
const BATCH_ROWS_MAX: usize = 8192;

/// The columns that sensor records have in queries: those that their archive has.
pub(crate) fn sensor_columns(sensor: &SensorStream) -> Columns {
    let columns: Vec<_> = sensor.all_columns().collect();
    let own = columns.iter().map(|column| (column.name.as_str(), ColumnKind::of_sensor(column)));
    Columns::typed(std::iter::once((ARRIVED_AT, ColumnKind::Time)).chain(own))
}

/// Collects sensor records into batches of one schema.
pub(crate) struct SensorRows {
    sensor: SensorStream,
    schema: SchemaRef,
    /// The columns that are gathered, in their order.
    names: Vec<String>,
    columns: SensorColumns,
    arrived_at: Vec<i64>,
}

impl SensorRows {
    /// For the columns of `schema`.
    pub(crate) fn new(sensor: &SensorStream, schema: SchemaRef) -> SensorRows {
        let used = sensor.all_columns().filter(|column| schema.index_of(&column.name).is_ok());
        let used: Vec<_> = used.collect();
        let names = used.iter().map(|column| column.name.clone()).collect();
        let shaped = used.into_iter().map(|column| {
            let shape = if column.name == TIME { Shape::Times } else { Shape::AsSent };
            (column, shape)
        });
        let columns = SensorColumns::new(shaped);
        SensorRows { sensor: sensor.clone(), schema, names, columns, arrived_at: Vec::new() }
    }

    /// Adds the sensor records of a block of records, and says how many of these are no datagrams of the stream.
    pub(crate) fn push(&mut self, records: &[Record]) -> u64 {
        // What is no datagram has gone, or will go, to the error prefix.
        let Block { datagrams, arrived_at, unfit, reason: _ } = Block::read(&self.sensor, records);
        for (datagram, at) in datagrams.iter().zip(arrived_at) {
            self.arrived_at.extend(std::iter::repeat_n(at.as_millis(), usize::from(datagram.header.count)));
        }
        self.columns.push(&datagrams);
        unfit
    }

    /// Whether there are no rows.
    pub(crate) fn is_empty(&self) -> bool {
        self.arrived_at.is_empty()
    }

    /// Whether the batch should be taken now.
    pub(crate) fn is_full(&self) -> bool {
        BATCH_ROWS_MAX <= self.arrived_at.len()
    }

    /// The rows since the last batch.
    pub(crate) fn take(&mut self) -> Result<RecordBatch, SqlError> {
        let rows = self.arrived_at.len();
        let arrived_at = TimestampMillisecondArray::from(std::mem::take(&mut self.arrived_at)).with_timezone("UTC");
        let arrays = self.columns.take();
        let mut columns: HashMap<&str, ArrayRef> = self.names.iter().map(String::as_str).zip(arrays).collect();
        columns.insert(ARRIVED_AT, Arc::new(arrived_at));
        fit(&self.schema, rows, |name| columns.get(name).cloned())
    }
}
