//! A log store in this process, for measurements that leave the server out.

use std::path::Path;
use std::sync::Arc;

use ingest::log::options::LogOptions;
use ingest::log::store::LogStore;
use model::clock::SystemClock;
use model::disk::StdDisk;
use model::stream::store::StreamError;

/// Opens the streams in a folder, on the machine's clock and disk.
pub(crate) async fn open_log(folder: &Path) -> Result<LogStore, StreamError> {
    LogStore::open(Arc::new(SystemClock), Arc::new(StdDisk), folder, LogOptions::default()).await
}
