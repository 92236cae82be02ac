//! The live tail: the records of a stream that the archive does not have yet.

use std::sync::Arc;

use model::name::StreamName;
use model::query::engine::{SqlError, SqlErrorKind};
use model::stream::hash_key::HashKeyRange;
use model::stream::record::Record;
use model::stream::sequence_number::SequenceNumber;
use model::stream::shard::ShardId;
use model::stream::store::{ReadLimit, StreamError, StreamStore};
use tracing::warn;

use crate::error::failed;

/// How much one read of the tail holds in memory.
const READ_LIMIT: ReadLimit = ReadLimit { records_max: 8192, bytes_max: 4 << 20, wait: false };

/// Records of one shard, half-open: `end` is the tip when the query started.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct TailRange {
    pub(crate) shard: ShardId,
    /// The hash keys it owns.
    pub(crate) owned: HashKeyRange,
    /// The first record.
    pub(crate) start: SequenceNumber,
    /// Behind the last record.
    pub(crate) end: SequenceNumber,
}

/// Reads a range batch by batch.
pub(crate) struct TailReader {
    store: Arc<dyn StreamStore>,
    stream: StreamName,
    range: TailRange,
}

impl TailReader {
    /// From the beginning of `range`.
    pub(crate) fn new(store: Arc<dyn StreamStore>, stream: StreamName, range: TailRange) -> Self {
        TailReader { store, stream, range }
    }

    /// The next records; none at the end.
    pub(crate) async fn next(&mut self) -> Result<Option<Vec<Record>>, SqlError> {
        if self.range.end <= self.range.start {
            return Ok(None);
        }
        let read = self.store.read(&self.stream, self.range.shard, self.range.start, READ_LIMIT).await;
        let batch = read.map_err(|error| read_error(&self.stream, &error))?;
        if batch.lost > 0 {
            let (stream, shard) = (&self.stream, self.range.shard);
            warn!(%stream, %shard, records = batch.lost, "records were lost to damage before a query read them");
        }
        let mut records = batch.records;
        records.truncate(records.partition_point(|record| record.sequence_number < self.range.end));
        if records.is_empty() {
            return Ok(None);
        }
        self.range.start = batch.next;
        Ok(Some(records))
    }
}

/// A failed read as a query's error.
pub(crate) fn read_error(stream: &StreamName, error: &StreamError) -> SqlError {
    match error {
        StreamError::Trimmed { .. } | StreamError::ShardNotFound { .. } => SqlError::new(
            SqlErrorKind::Failed,
            format!("records of `{stream}` expired while the query read them; run it again"),
        ),
        other => failed(format!("reading the tail of `{stream}`"), other),
    }
}
