//! GetShardIterator: where in a shard a reader begins.

use serde::Serialize;

use crate::aws::error::AwsError;
use crate::aws::wire::text::Text;
use crate::aws::wire::time::Time;
use crate::kinesis::input::input;
use crate::kinesis::read::iterator::ShardIterator;
use crate::kinesis::read::position::{Members, Place};
use crate::kinesis::{error, limits};
use crate::state::GatewayState;

input!(stream {
    #[serde(borrow)]
    shard_id: Option<Text<'a>>,
    #[serde(borrow)]
    shard_iterator_type: Option<Text<'a>>,
    #[serde(borrow)]
    starting_sequence_number: Option<Text<'a>>,
    timestamp: Option<Time>,
    dry_run: Option<bool>,
});

const MEMBERS: Members = Members {
    operation: "GetShardIterator",
    kind: "shardIteratorType",
    sequence_number: "startingSequenceNumber",
    timestamp: "timestamp",
};
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Output {
    shard_iterator: String,
}

/// Makes an iterator.
pub(crate) async fn run(state: &GatewayState, input: Input<'_>) -> Result<Output, AwsError> {
    let stream = input.stream(state)?;
    let id = input.shard_id.as_deref().ok_or_else(|| AwsError::missing("shardId"))?;
    let id = limits::shard_id(id, "shardId")?;
    let account = &state.options.account_id;
    let describe = state.streams.describe(&stream).await;
    let description = describe.map_err(|failure| error::of_stream(&failure, &state.options.account_id))?;
    let shard = description.shards.get(id).ok_or_else(|| {
        let message = format!("Shard {id} in stream {stream} under account {account} does not exist");
        AwsError::new("ResourceNotFoundException", message)
    })?;
    let kind = input.shard_iterator_type.as_deref().ok_or_else(|| AwsError::missing(MEMBERS.kind))?;
    let sequence_number = input.starting_sequence_number.as_deref();
    let position = Place { kind, sequence_number, timestamp: input.timestamp }.in_shard(shard, MEMBERS)?;
    let next = state.streams.locate(&stream, id, position).await;
    let next = next.map_err(|failure| error::of_stream(&failure, account))?;
    limits::end_dry_run(input.dry_run)?;
    let iterator = ShardIterator { stream, stream_created_at: description.created_at, shard: id, next };
    Ok(Output { shard_iterator: iterator.seal(state.clock.now()) })
}
