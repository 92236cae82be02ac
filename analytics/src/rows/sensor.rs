//! Sensor datagrams as rows: which records of a block are datagrams of their stream, and columns of these as Arrow arrays.

use std::sync::Arc;

use datafusion::arrow::array::ArrayRef;
use model::clock::Timestamp;
use model::datagram::arrow::{array, times};
use model::datagram::columns::{ColumnGatherer, SensorColumn};
use model::datagram::payload::Datagram;
use model::datagram::sensor_stream::{NotOfStream, SensorStream};
use model::stream::record::Record;

/// Datagrams that become columns at once: enough for hundreds of rows, few enough to stay in the caches.
pub(crate) const BLOCK_DATAGRAMS_MAX: usize = 1024;

/// The datagrams in a block of records.
pub(crate) struct Block<'a> {
    pub(crate) datagrams: Vec<Datagram<'a>>,
    /// When each of them arrived.
    pub(crate) arrived_at: Vec<Timestamp>,
    /// How many records are no datagrams of the stream.
    pub(crate) unfit: u64,
    /// Why the last of those is none.
    pub(crate) reason: Option<NotOfStream>,
}

impl<'a> Block<'a> {
    /// Reads records of a stream of such datagrams.
    pub(crate) fn read(sensor: &SensorStream, records: &'a [Record]) -> Block<'a> {
        let (datagrams, arrived_at) = (Vec::with_capacity(records.len()), Vec::with_capacity(records.len()));
        let mut block = Block { datagrams, arrived_at, unfit: 0, reason: None };
        for record in records {
            match sensor.read(&record.data) {
                Ok(datagram) => {
                    block.datagrams.push(datagram);
                    block.arrived_at.push(record.arrived_at);
                }
                Err(reason) => (block.unfit, block.reason) = (block.unfit + 1, Some(reason)),
            }
        }
        block
    }
}

/// How a column's values come out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Shape {
    /// In the type that they were sent in.
    AsSent,
    /// Nanoseconds since 1970 as times.
    Times,
}

/// Some columns of datagrams, gathered until a batch is made of them.
#[derive(Debug)]
pub(crate) struct SensorColumns {
    shapes: Vec<Shape>,
    gatherer: ColumnGatherer,
}

impl SensorColumns {
    /// Nothing of these columns yet.
    pub(crate) fn new(columns: impl IntoIterator<Item = (SensorColumn, Shape)>) -> SensorColumns {
        let (columns, shapes): (Vec<SensorColumn>, Vec<Shape>) = columns.into_iter().unzip();
        SensorColumns { shapes, gatherer: ColumnGatherer::new(columns) }
    }

    /// How many rows wait.
    pub(crate) fn rows(&self) -> usize {
        self.gatherer.rows()
    }

    /// Adds the records of datagrams; returns how many these are.
    pub(crate) fn push(&mut self, datagrams: &[Datagram<'_>]) -> usize {
        let before = self.rows();
        self.gatherer.push(datagrams);
        self.rows() - before
    }

    /// The columns of all rows so far.
    pub(crate) fn take(&mut self) -> Vec<ArrayRef> {
        let values = self.gatherer.take().into_iter().zip(&self.shapes);
        values
            .map(|(values, shape)| match shape {
                Shape::AsSent => array(values),
                Shape::Times => Arc::new(times(values)),
            })
            .collect()
    }
}
