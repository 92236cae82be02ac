//! The rules of splitting and merging shards, which the Kinesis API and the REST API share.
//!
//! Each API translates [`Refused`] into its own errors.

use model::name::StreamName;
use model::stream::hash_key::HashKey;
use model::stream::settings::StreamMode;
use model::stream::shard::{Reshard, ReshardError, ShardId};
use model::stream::store::{StreamDescription, StreamError, StreamStore};
use thiserror::Error;

use crate::usage::{Exceeded, Usage};

/// Why shards cannot be split or merged.
#[derive(Debug, Error)]
pub(crate) enum Refused {
    /// The stream manages its shards itself.
    #[error("stream `{0}` is in on-demand mode: only shards of a provisioned stream can be split or merged")]
    OnDemand(StreamName),
    /// The server has too many shards.
    #[error(transparent)]
    Exceeded(#[from] Exceeded),
    /// The store failed, or the shards do not fit the change.
    #[error(transparent)]
    Stream(#[from] StreamError),
}

/// The split of `shard` at hash key `at`, if the stream allows it now.
pub(crate) async fn split(
    streams: &dyn StreamStore,
    stream: &StreamName,
    shard: ShardId,
    at: HashKey,
) -> Result<Reshard, Refused> {
    let description = streams.describe(stream).await?;
    check_mode(&description)?;
    Usage::of(streams).await?.room_for_shards(1)?;
    // Both children are wider than one key, as in AWS.
    if let Some(range) = description.shards.get(shard).filter(|shard| shard.is_open()).map(|shard| shard.range)
        && (at <= HashKey(range.start.0.saturating_add(1)) || range.end <= at)
    {
        let source = ReshardError::SplitOutside { shard, at, range };
        return Err(StreamError::Reshard { stream: stream.clone(), source }.into());
    }
    Ok(Reshard::Split { shard, at })
}

/// The merge of two shards, if the stream allows it now.
pub(crate) async fn merge(
    streams: &dyn StreamStore,
    stream: &StreamName,
    shard: ShardId,
    adjacent: ShardId,
) -> Result<Reshard, Refused> {
    check_mode(&*streams.describe(stream).await?)?;
    Ok(Reshard::Merge { shard, adjacent })
}

fn check_mode(description: &StreamDescription) -> Result<(), Refused> {
    match description.settings.mode {
        StreamMode::Provisioned => Ok(()),
        StreamMode::OnDemand => Err(Refused::OnDemand(description.name.clone())),
    }
}
