//! What can be set on a delivery stream. Every bound has a name.

use std::time::Duration;

use model::archive::format::Compression;
use model::flow::destination::SensorFormat;

/// Bounds of a delivery stream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeliveryOptions {
    /// A shard's records are cut before they are more than this many bytes of data and keys (one record always fits).
    pub cut_bytes_max: usize,
    /// A shard's records are cut before they are more than this many.
    pub cut_records_max: usize,
    /// A shard's records are cut when the first has waited this long.
    pub cut_interval: Duration,
    /// Cut where the hour of arrival changes, so that an object holds records of one hour.
    pub cut_at_hours: bool,
    /// What all shards together may hold in memory; over it the largest are cut early.
    pub buffered_bytes_max: usize,
    /// Cuts that are prepared or delivered at the same time.
    pub in_flight_max: usize,
    /// How the lines of objects are compressed.
    pub compression: Compression,
    /// How objects of a stream of sensor datagrams are written.
    pub sensor_format: SensorFormat,
    /// Positions that moved are committed after this long at the latest.
    pub checkpoint_interval: Duration,
    /// Wait after the first failure; doubled after each further one, and jittered.
    pub retry_delay_min: Duration,
    /// The longest wait after a failure. There is no last try: records wait in the stream until its retention.
    pub retry_delay_max: Duration,
    /// How long a shutdown waits for what is buffered to be delivered. What is not comes after the next start.
    pub shutdown_max: Duration,
    /// Where the jitter of waits begins; from the system without it.
    pub seed: Option<u64>,
}

impl DeliveryOptions {
    /// Objects of 5 MiB before compression, or of what came in a minute.
    pub fn for_archive() -> Self {
        DeliveryOptions {
            cut_bytes_max: 5 << 20,
            cut_records_max: 250_000,
            cut_interval: Duration::from_secs(60),
            cut_at_hours: true,
            buffered_bytes_max: 128 << 20,
            in_flight_max: 4,
            compression: Compression::Zstd,
            sensor_format: SensorFormat::Parquet,
            checkpoint_interval: Duration::from_secs(1),
            retry_delay_min: Duration::from_millis(100),
            retry_delay_max: Duration::from_secs(30),
            shutdown_max: Duration::from_secs(10),
            seed: None,
        }
    }

    /// Every batch at once.
    pub fn for_table() -> Self {
        DeliveryOptions {
            cut_bytes_max: 1 << 20,
            cut_records_max: 8192,
            cut_interval: Duration::ZERO,
            cut_at_hours: false,
            buffered_bytes_max: 16 << 20,
            ..DeliveryOptions::for_archive()
        }
    }
}
