//! Reading a shard as consumers expect it: past retention, and never over the bound.

use model::clock::Timestamp;
use model::name::StreamName;
use model::sequence_number::SequenceNumber;
use model::shard::ShardId;
use model::stream_store::{ReadBatch, ReadLimit, StreamError};

use crate::aws::error::AwsError;
use crate::kinesis::error;
use crate::router::GatewayState;

/// How often a read that retention overtook begins anew before it gives up.
const TRIMMED_RETRIES_MAX: usize = 8;

/// Reads, going on at the oldest record kept where retention has overtaken the reader. Cancel-safe.
pub(crate) async fn read(
    state: &GatewayState,
    stream: &StreamName,
    shard: ShardId,
    mut from: SequenceNumber,
    limit: ReadLimit,
) -> Result<ReadBatch, AwsError> {
    let mut retries = 0;
    loop {
        match state.streams.read(stream, shard, from, limit).await {
            Ok(batch) => return Ok(within(batch, limit.bytes_max)),
            Err(StreamError::Trimmed { oldest, .. }) if retries < TRIMMED_RETRIES_MAX => {
                from = oldest;
                retries += 1;
            }
            Err(failure) => return Err(error::of_stream(&failure, &state.options.account_id)),
        }
    }
}

/// The store's batch may be over the bound by a part of its last record: that one waits for the next read.
fn within(mut batch: ReadBatch, bytes_max: usize) -> ReadBatch {
    let bytes: usize = batch.records.iter().map(|record| record.size_bytes()).sum();
    if bytes > bytes_max
        && batch.records.len() > 1
        && let Some(last) = batch.records.pop()
    {
        batch.next = last.sequence_number;
        batch.end_of_shard = false;
    }
    batch
}

/// How old the last record is, where there are more behind it.
pub(crate) fn millis_behind(batch: &ReadBatch, now: Timestamp) -> u64 {
    match batch.records.last() {
        Some(last) if batch.next < batch.tip => now.since(last.arrived_at).as_millis() as u64,
        _ => 0,
    }
}
