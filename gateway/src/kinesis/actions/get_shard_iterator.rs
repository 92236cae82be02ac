//! GetShardIterator: where in a shard a reader begins.

use model::sequence_number::{PrintedSequenceNumber, SequenceNumber};
use model::shard::Shard;
use model::stream_store::StartingPosition;
use serde::{Deserialize, Serialize};

use crate::aws::error::AwsError;
use crate::aws::wire::text::Text;
use crate::aws::wire::time::Time;
use crate::kinesis::iterator::ShardIterator;
use crate::kinesis::{error, limits};
use crate::router::GatewayState;

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Input<'a> {
    #[serde(borrow)]
    stream_name: Option<Text<'a>>,
    #[serde(borrow, rename = "StreamARN")]
    stream_arn: Option<Text<'a>>,
    #[serde(borrow)]
    stream_id: Option<Text<'a>>,
    #[serde(borrow)]
    shard_id: Option<Text<'a>>,
    #[serde(borrow)]
    shard_iterator_type: Option<Text<'a>>,
    #[serde(borrow)]
    starting_sequence_number: Option<Text<'a>>,
    timestamp: Option<Time>,
    dry_run: Option<bool>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Output {
    shard_iterator: String,
}

/// Makes an iterator.
pub(crate) async fn run(state: &GatewayState, input: Input<'_>) -> Result<Output, AwsError> {
    limits::no_dry_run(input.dry_run)?;
    let stream = limits::stream(
        &state.options,
        input.stream_name.as_deref(),
        input.stream_arn.as_deref(),
        input.stream_id.as_deref(),
    )?;
    let id = input.shard_id.as_deref().ok_or_else(|| AwsError::missing("shardId"))?;
    let id = limits::shard_id(id, "shardId")?;
    let account = &state.options.account_id;
    let describe = state.streams.describe(&stream).await;
    let description = describe.map_err(|failure| error::of_stream(&failure, &state.options.account_id))?;
    let shard = description.shards.get(id).ok_or_else(|| {
        let message = format!("Shard {id} in stream {stream} under account {account} does not exist");
        AwsError::new("ResourceNotFoundException", message)
    })?;
    let position = position(&input, shard)?;
    let next = state.streams.locate(&stream, id, position).await;
    let next = next.map_err(|failure| error::of_stream(&failure, account))?;
    let iterator = ShardIterator { stream, stream_created_at: description.created_at, shard: id, next };
    Ok(Output { shard_iterator: iterator.seal(state.clock.now()) })
}

fn position(input: &Input<'_>, shard: &Shard) -> Result<StartingPosition, AwsError> {
    let kind = input.shard_iterator_type.as_deref().ok_or_else(|| AwsError::missing("shardIteratorType"))?;
    match kind {
        "TRIM_HORIZON" => Ok(StartingPosition::TrimHorizon),
        "LATEST" => Ok(StartingPosition::Latest),
        "AT_SEQUENCE_NUMBER" => sequence_number(input, kind, shard).map(StartingPosition::At),
        "AFTER_SEQUENCE_NUMBER" => sequence_number(input, kind, shard).map(StartingPosition::After),
        "AT_TIMESTAMP" => {
            let message = "Must specify timestamp parameter for shard iterator type AT_TIMESTAMP.";
            let at = input.timestamp.ok_or_else(|| AwsError::invalid_argument(message))?;
            Ok(StartingPosition::AtTime(at.0))
        }
        other => Err(AwsError::validation(
            &format!("'{other}'"),
            "shardIteratorType",
            "Member must satisfy enum value set: [AFTER_SEQUENCE_NUMBER, LATEST, AT_TIMESTAMP, AT_SEQUENCE_NUMBER, \
             TRIM_HORIZON]",
        )),
    }
}

fn sequence_number(input: &Input<'_>, kind: &str, shard: &Shard) -> Result<SequenceNumber, AwsError> {
    let text = input.starting_sequence_number.as_deref().ok_or_else(|| {
        AwsError::invalid_argument(format!(
            "Must specify startingSequenceNumber parameter for shard iterator type {kind}."
        ))
    })?;
    let foreign = || {
        AwsError::invalid_argument(format!(
            "StartingSequenceNumber {text} used in GetShardIterator on shard {} is invalid because it did not come from \
             this shard.",
            shard.id
        ))
    };
    let number: PrintedSequenceNumber = text.parse().map_err(|_| foreign())?;
    let own = PrintedSequenceNumber::new(shard.id, shard.created_at, number.sequence_number, shard.created_at);
    if (number.shard, number.shard_created_secs) != (own.shard, own.shard_created_secs)
        || number.sequence_number > PrintedSequenceNumber::INDEX_MAX
    {
        return Err(foreign());
    }
    Ok(number.sequence_number)
}
