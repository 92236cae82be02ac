//! Shapes that several answers of Kinesis share.

use model::stream::hash_key::{HashKey, HashKeyRange};
use model::stream::printed_sequence_number::PrintedSequenceNumber;
use model::stream::settings::StreamMode;
use model::stream::shard::{Shard, ShardId, ShardMap};
use model::stream::store::StreamDescription;
use serde::Serialize;

use crate::aws::wire::output::Shown;
use crate::kinesis::stream::monitoring;

/// `StreamModeDetails`.
#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct ModeDetails {
    stream_mode: &'static str,
}

impl ModeDetails {
    /// Of a stream.
    pub(crate) fn of(description: &StreamDescription) -> Self {
        ModeDetails {
            stream_mode: match description.settings.mode {
                StreamMode::Provisioned => "PROVISIONED",
                StreamMode::OnDemand => "ON_DEMAND",
            },
        }
    }
}

/// One of `EnhancedMonitoring`.
#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct EnhancedMetrics {
    shard_level_metrics: Vec<&'static str>,
}

impl EnhancedMetrics {
    /// Of a stream.
    pub(crate) fn of(description: &StreamDescription) -> Self {
        EnhancedMetrics { shard_level_metrics: monitoring::names(&description.settings.shard_metrics) }
    }
}

/// `HashKeyRange`.
#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct HashKeys {
    starting_hash_key: Shown<HashKey>,
    ending_hash_key: Shown<HashKey>,
}

impl HashKeys {
    fn of(range: HashKeyRange) -> Self {
        HashKeys { starting_hash_key: Shown(range.start), ending_hash_key: Shown(range.end) }
    }
}

/// A shard as DescribeStream and ListShards show it.
#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct ShardShape {
    shard_id: Shown<ShardId>,
    #[serde(skip_serializing_if = "Option::is_none")]
    parent_shard_id: Option<Shown<ShardId>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    adjacent_parent_shard_id: Option<Shown<ShardId>>,
    hash_key_range: HashKeys,
    sequence_number_range: SequenceNumbers,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
struct SequenceNumbers {
    starting_sequence_number: Shown<PrintedSequenceNumber>,
    #[serde(skip_serializing_if = "Option::is_none")]
    ending_sequence_number: Option<Shown<PrintedSequenceNumber>>,
}

impl ShardShape {
    /// Of a shard.
    pub(crate) fn of(shard: &Shard) -> Self {
        let print = |number| Shown(PrintedSequenceNumber::before(shard.id, shard.created_at, number));
        ShardShape {
            shard_id: Shown(shard.id),
            parent_shard_id: shard.parent.map(Shown),
            adjacent_parent_shard_id: shard.adjacent_parent.map(Shown),
            hash_key_range: HashKeys::of(shard.range),
            sequence_number_range: SequenceNumbers {
                starting_sequence_number: print(shard.first),
                ending_sequence_number: (!shard.is_open()).then(|| print(PrintedSequenceNumber::INDEX_MAX)),
            },
        }
    }
}

/// Where the reader of a closed shard goes on.
#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct ChildShard {
    shard_id: Shown<ShardId>,
    parent_shards: Vec<Shown<ShardId>>,
    hash_key_range: HashKeys,
}

impl ChildShard {
    /// The children of a shard.
    pub(crate) fn all(shards: &ShardMap, parent: ShardId) -> Vec<ChildShard> {
        let shape = |child: &Shard| ChildShard {
            shard_id: Shown(child.id),
            parent_shards: child.parents().map(Shown).collect(),
            hash_key_range: HashKeys::of(child.range),
        };
        shards.children(parent).map(shape).collect()
    }
}
