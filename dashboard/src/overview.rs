//! Streams, shards and consumers as the page lists them: what one survey found, and rates from the one before.

use std::collections::HashMap;

use model::clock::Timestamp;
use model::stream::shard::{Shard, ShardId};
use model::stream::store::StreamDescription;
use serde::Serialize;

/// The most shards that are listed, of all streams together.
pub(crate) const SHARDS_MAX: usize = 512;
/// The most streams that are listed.
pub(crate) const STREAMS_MAX: usize = 100;

/// What one survey found.
#[derive(Debug, Clone, Default, Serialize)]
pub(crate) struct Overview {
    /// The stream whose readings the map shows.
    pub(crate) fleet: String,
    /// In order of their names.
    pub(crate) streams: Vec<StreamRow>,
    /// How many streams are not listed.
    pub(crate) more_streams: usize,
    /// The consumers that run here.
    pub(crate) flows: Vec<FlowRow>,
}

/// A stream.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct StreamRow {
    pub(crate) name: String,
    pub(crate) created_at: i64,
    pub(crate) retention_seconds: u64,
    pub(crate) mode: String,
    pub(crate) shards: Vec<ShardRow>,
    /// Open shards that are not listed.
    pub(crate) more_shards: usize,
    pub(crate) closed: usize,
    /// Why it cannot be read, where it cannot.
    pub(crate) error: Option<String>,
}

/// An open shard.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct ShardRow {
    pub(crate) id: String,
    /// Hash keys: beyond what a number of JSON holds.
    pub(crate) start: String,
    pub(crate) end: String,
    pub(crate) parents: Vec<String>,
    /// The number that its next record gets.
    pub(crate) tip: u64,
    /// Records a second since the survey before.
    pub(crate) rate: Option<f64>,
}

/// A consumer.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct FlowRow {
    pub(crate) name: String,
    /// `query`, `table` or `archive`.
    pub(crate) kind: &'static str,
    pub(crate) source: String,
    pub(crate) target: String,
    /// Records that are in the source and not in its checkpoint yet.
    pub(crate) behind: Option<u64>,
    pub(crate) last_error: Option<ErrorRow>,
    /// When the first open window ends, in milliseconds since 1970.
    pub(crate) window_end: Option<i64>,
}

/// A failure of a consumer.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct ErrorRow {
    /// Milliseconds since 1970.
    pub(crate) at: i64,
    pub(crate) message: String,
}

/// Turns tips into rates.
#[derive(Debug, Default)]
pub(crate) struct Rates {
    last: HashMap<(String, ShardId), (Timestamp, u64)>,
}

impl Rates {
    /// Records a second in a shard since it was last asked for.
    pub(crate) fn rate(&mut self, stream: &str, shard: ShardId, now: Timestamp, tip: u64) -> Option<f64> {
        let before = self.last.insert((stream.to_owned(), shard), (now, tip));
        let (then, tip_then) = before?;
        let seconds = now.since(then).as_secs_f64();
        // A stream that was made anew begins at a lower number.
        (seconds > 0.0 && tip >= tip_then).then(|| ((tip - tip_then) as f64 / seconds * 10.0).round() / 10.0)
    }

    /// Lets go of what is no longer listed.
    pub(crate) fn keep(&mut self, overview: &Overview) {
        if self.last.len() > 2 * SHARDS_MAX {
            let listed = |stream: &str, shard: ShardId| {
                let row = overview.streams.iter().find(|row| row.name == stream);
                row.is_some_and(|row| row.shards.iter().any(|listed| listed.id == shard.to_string()))
            };
            self.last.retain(|(stream, shard), _| listed(stream, *shard));
        }
    }
}

impl StreamRow {
    /// A stream without its shards.
    pub(crate) fn new(description: &StreamDescription) -> Self {
        StreamRow {
            name: description.name.to_string(),
            created_at: description.created_at.as_millis(),
            retention_seconds: description.settings.retention.as_secs(),
            mode: serde_json::to_value(description.settings.mode)
                .ok()
                .and_then(|mode| mode.as_str().map(str::to_owned))
                .unwrap_or_default(),
            shards: Vec::new(),
            more_shards: 0,
            closed: description.shards.iter().filter(|shard| !shard.is_open()).count(),
            error: None,
        }
    }

    /// A stream that cannot be described.
    pub(crate) fn unreadable(name: &str, error: String) -> Self {
        StreamRow {
            name: name.to_owned(),
            created_at: 0,
            retention_seconds: 0,
            mode: String::new(),
            shards: Vec::new(),
            more_shards: 0,
            closed: 0,
            error: Some(error),
        }
    }
}

impl ShardRow {
    /// An open shard with its tip.
    pub(crate) fn new(shard: &Shard, tip: u64, rate: Option<f64>) -> Self {
        ShardRow {
            id: shard.id.to_string(),
            start: shard.range.start.to_string(),
            end: shard.range.end.to_string(),
            parents: shard.parents().map(|parent| parent.to_string()).collect(),
            tip,
            rate,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rates_are_of_the_time_between_surveys() {
        let mut rates = Rates::default();
        let at = Timestamp::from_millis;
        assert_eq!(rates.rate("s", ShardId(0), at(0), 100), None);
        assert_eq!(rates.rate("s", ShardId(0), at(2000), 130), Some(15.0));
        assert_eq!(rates.rate("s", ShardId(0), at(3000), 5), None);
        assert_eq!(rates.rate("s", ShardId(0), at(3000), 6), None);
    }
}
