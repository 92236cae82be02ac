//! Reads a stream at its tip, once for all pages.
//!
//! It paces itself, so that many records come with one read, and where it falls far behind it skips to the tip: the page
//! shows what is now, and a reader that hurries after old records would cost producers.

use std::sync::Arc;
use std::time::Duration;

use model::clock::Timestamp;
use model::name::StreamName;
use model::stream::checkpoint::{Position, Positions};
use model::stream::consumer::{READ_RECORDS_MAX, ShardBatch, StreamReader};
use model::stream::store::{StartingPosition, StreamDescription, StreamError};
use tracing::debug;

use crate::options::DashboardOptions;

/// The least time between two reads that were not full.
const PACE: Duration = Duration::from_millis(50);
/// A stream that is not there, or fails, is tried again after this.
const RETRY_DELAY: Duration = Duration::from_secs(1);
/// Who reads records older than this after having caught up, skips to the tip.
const BEHIND_MAX: Duration = Duration::from_secs(5);

/// Hands over what arrives from `since` on, for ever.
pub(crate) async fn follow(
    options: &DashboardOptions,
    stream: &StreamName,
    since: Timestamp,
    mut take: impl FnMut(&ShardBatch),
) {
    let mut start = StartingPosition::AtTime(since);
    loop {
        if let Err(error) = read(options, stream, start, &mut take).await {
            if !matches!(error, StreamError::NotFound(_)) {
                debug!(%stream, error = %error, "the dashboard cannot follow the stream now");
            }
            tokio::time::sleep(RETRY_DELAY).await;
        }
        start = StartingPosition::Latest;
    }
}

/// Reads until an error, or until it has fallen behind.
async fn read(
    options: &DashboardOptions,
    stream: &StreamName,
    start: StartingPosition,
    take: &mut impl FnMut(&ShardBatch),
) -> Result<(), StreamError> {
    let description = options.streams.describe(stream).await?;
    let mut reader = open(options, &description, start).await?;
    let mut caught_up = false;
    loop {
        let batch = reader.next().await?;
        let newest = batch.records.last().map(|record| record.arrived_at);
        let behind = newest.is_some_and(|at| options.clock.now().since(at) > BEHIND_MAX);
        if caught_up && behind {
            debug!(%stream, "the dashboard skips to the tip");
            return Ok(());
        }
        caught_up |= batch.at_tip;
        take(&batch);
        if batch.records.len() < READ_RECORDS_MAX {
            tokio::time::sleep(PACE).await;
        } else {
            // Memory answers at once: others want to run too.
            tokio::task::yield_now().await;
        }
    }
}

/// Begins in the shards that are open now: what was split or merged before is not looked into.
async fn open(
    options: &DashboardOptions,
    description: &StreamDescription,
    start: StartingPosition,
) -> Result<StreamReader, StreamError> {
    let stream = &description.name;
    let mut positions = Positions::new();
    for shard in description.shards.open() {
        positions.insert(shard.id, Position::at(options.streams.locate(stream, shard.id, start).await?));
    }
    StreamReader::open(Arc::clone(&options.streams), stream.clone(), positions, StartingPosition::Latest).await
}
