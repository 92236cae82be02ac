//! Joins a stream to a destination: the one place that knows which sink and which options belong to each kind.

use std::sync::Arc;

use model::archive::store::Archive;
use model::clock::Clock;
use model::flow::destination::{ArchiveOptions, Destination};
use model::name::{ConsumerName, StreamName};
use model::stream::store::{StartingPosition, StreamStore};
use model::table::store::TableStore;

use crate::delivery::options::DeliveryOptions;
use crate::delivery::sink::Sink;
use crate::delivery::stream::DeliveryStream;
use crate::destination::archive::ArchiveSink;
use crate::destination::table::TableSink;

/// What a delivery reads from and may write to. Each kind of destination takes what it needs.
#[derive(Clone)]
pub struct Parts {
    /// The streams. They also keep the delivery's checkpoint.
    pub streams: Arc<dyn StreamStore>,
    /// Time.
    pub clock: Arc<dyn Clock>,
    pub tables: Arc<dyn TableStore>,
    /// The archive: for objects, and for records that a destination cannot take.
    pub archive: Arc<dyn Archive>,
}

impl DeliveryStream {
    /// Delivers records of `source` to `destination`, beginning at `start` unless a checkpoint exists. Records that
    /// the destination cannot take become dead letters in the archive. Run at most one archive delivery for each
    /// stream and archive: object names hold the stream's name, not the delivery's.
    pub fn connect(
        name: ConsumerName,
        source: StreamName,
        start: StartingPosition,
        destination: &Destination,
        parts: Parts,
        options: DeliveryOptions,
    ) -> Self {
        let Parts { streams, clock, tables, archive } = parts;
        let sink: Arc<dyn Sink> = match destination {
            Destination::Table(table) => Arc::new(TableSink::new(name.clone(), tables, table.clone(), archive)),
            Destination::Archive(_) => Arc::new(ArchiveSink::new(archive, source.clone())),
        };
        DeliveryStream::new(name, source, start, streams, clock, sink, options)
    }
}

impl DeliveryOptions {
    /// The usual bounds for this destination, with the options that it sets.
    pub fn for_destination(destination: &Destination) -> Self {
        match destination {
            Destination::Table(_) => DeliveryOptions::for_table(),
            Destination::Archive(options) => archive_options(options),
        }
    }
}

fn archive_options(archive: &ArchiveOptions) -> DeliveryOptions {
    DeliveryOptions {
        cut_bytes_max: archive.bytes_max,
        cut_interval: archive.interval,
        compression: archive.compression,
        sensor_format: archive.sensor_format,
        ..DeliveryOptions::for_archive()
    }
}
