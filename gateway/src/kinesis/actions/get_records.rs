//! GetRecords: the next records of a shard, and where to go on.

use std::io::Write;

use bytes::Bytes;
use model::shard::{Shard, ShardMap};
use model::stream_store::{ReadBatch, ReadLimit, StreamError};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::aws::error::AwsError;
use crate::kinesis::iterator::ShardIterator;
use crate::kinesis::wire::{self, Text};
use crate::kinesis::{error, limits};
use crate::router::GatewayState;

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Input<'a> {
    #[serde(borrow)]
    shard_iterator: Option<Text<'a>>,
    limit: Option<i64>,
    #[serde(borrow, rename = "StreamARN")]
    stream_arn: Option<Text<'a>>,
    #[serde(borrow)]
    stream_id: Option<Text<'a>>,
    dry_run: Option<bool>,
}

/// How often a read that retention overtook begins anew before it gives up.
const TRIMMED_RETRIES_MAX: usize = 8;

/// Bytes of the answer for one record, besides its data and key.
const RECORD_BYTES: usize = 192;

/// Reads records.
pub(crate) async fn run(state: &GatewayState, body: &Bytes) -> Result<Vec<u8>, AwsError> {
    let input: Input<'_> = wire::parse(body)?;
    limits::no_dry_run(input.dry_run)?;
    let limit = limits::number(input.limit, "limit", limits::GET_RECORDS_MAX, limits::GET_RECORDS_MAX)?;
    let text = input.shard_iterator.as_deref().ok_or_else(|| AwsError::missing("shardIterator"))?;
    let mut iterator = ShardIterator::open(text, state.clock.now())?;
    if input.stream_arn.is_some() || input.stream_id.is_some() {
        let arn = input.stream_arn.as_deref();
        if limits::stream(&state.options, None, arn, input.stream_id.as_deref())? != iterator.stream {
            return Err(AwsError::invalid_argument("The iterator is not of the stream that StreamARN names."));
        }
    }
    let account = &state.options.account_id;
    let description = state.streams.describe(&iterator.stream).await;
    let description = description.map_err(|failure| error::of_stream(&failure, account))?;
    if description.created_at != iterator.stream_created_at {
        return Err(error::not_found(iterator.stream.as_str(), account));
    }
    let batch = read(state, &mut iterator, limit).await?;
    let shard = description.shards.get(iterator.shard).ok_or_else(|| {
        let (stream, shard) = (iterator.stream.clone(), iterator.shard);
        error::of_stream(&StreamError::ShardNotFound { stream, shard }, account)
    })?;
    iterator.next = batch.next;
    // Asked again at the end of a shard: its children may be newer than the description above.
    let children = if batch.end_of_shard {
        let description = state.streams.describe(&iterator.stream).await;
        Some(children(&description.map_err(|failure| error::of_stream(&failure, account))?.shards, shard))
    } else {
        None
    };
    Ok(write(state, &iterator, shard, &batch, children))
}

/// Reads, going on at the oldest record kept where retention has overtaken the reader.
async fn read(state: &GatewayState, iterator: &mut ShardIterator, limit: usize) -> Result<ReadBatch, AwsError> {
    let limit = ReadLimit { records_max: limit, bytes_max: limits::GET_BYTES_MAX, wait: false };
    let mut retries = 0;
    loop {
        match state.streams.read(&iterator.stream, iterator.shard, iterator.next, limit).await {
            Ok(batch) => return Ok(within(batch, limits::GET_BYTES_MAX)),
            Err(StreamError::Trimmed { oldest, .. }) if retries < TRIMMED_RETRIES_MAX => {
                iterator.next = oldest;
                retries += 1;
            }
            Err(failure) => return Err(error::of_stream(&failure, &state.options.account_id)),
        }
    }
}

/// The store's batch may be over the bound by a part of its last record: that one waits for the next call.
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

fn children(shards: &ShardMap, shard: &Shard) -> Value {
    let child = |child: &Shard| {
        json!({
            "ShardId": child.id.to_string(),
            "ParentShards": child.parents().map(|parent| parent.to_string()).collect::<Vec<_>>(),
            "HashKeyRange": wire::hash_key_range(child.range),
        })
    };
    shards.children(shard.id).map(child).collect()
}

fn write(
    state: &GatewayState,
    iterator: &ShardIterator,
    shard: &Shard,
    batch: &ReadBatch,
    children: Option<Value>,
) -> Vec<u8> {
    let now = state.clock.now();
    let bytes: usize = batch.records.iter().map(|record| record.size_bytes()).sum();
    let mut out = Vec::with_capacity(512 + bytes / 3 * 4 + batch.records.len() * RECORD_BYTES);
    out.extend_from_slice(b"{\"Records\":[");
    for (i, record) in batch.records.iter().enumerate() {
        out.extend_from_slice(if i == 0 { &b"{\"SequenceNumber\":\""[..] } else { &b",{\"SequenceNumber\":\""[..] });
        wire::write_sequence_number(shard, record.sequence_number, record.arrived_at, &mut out);
        out.extend_from_slice(b"\",\"ApproximateArrivalTimestamp\":");
        wire::write_seconds(record.arrived_at, &mut out);
        out.extend_from_slice(b",\"Data\":\"");
        wire::encode_base64(&record.data, &mut out);
        out.extend_from_slice(b"\",\"PartitionKey\":");
        wire::write_text(record.partition_key.as_str(), &mut out);
        out.push(b'}');
    }
    let behind = match batch.records.last() {
        Some(last) if batch.next < batch.tip => now.since(last.arrived_at).as_millis(),
        _ => 0,
    };
    write!(out, "],\"MillisBehindLatest\":{behind},\"NextShardIterator\":").expect("writing to memory does not fail");
    match children {
        Some(children) => write!(out, "null,\"ChildShards\":{children}}}"),
        None => write!(out, "\"{}\"}}", iterator.seal(now)),
    }
    .expect("writing to memory does not fail");
    out
}
