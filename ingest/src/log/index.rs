//! Where the records of a shard stand in a segment: sparse, derived from the frames, never needed to be right on disk.

use std::collections::BTreeMap;

use model::clock::Timestamp;
use model::sequence_number::SequenceNumber;
use model::shard::ShardId;
use serde::{Deserialize, Serialize};

/// A shard has an entry at least every so many bytes of a segment: what a reader skips at most to find its place.
pub const INDEX_STRIDE_BYTES: u64 = 32 << 10;

/// A frame with records of the shard.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct IndexEntry {
    /// The shard's first record in the frame.
    pub first: SequenceNumber,
    /// When it arrived.
    pub arrived_at: Timestamp,
    /// Where the frame begins.
    pub offset: u64,
}

/// One shard in one segment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ShardIndex {
    /// At least one, in order.
    pub entries: Vec<IndexEntry>,
    /// One past the shard's last record in the segment.
    pub next: SequenceNumber,
}

impl ShardIndex {
    /// The shard's first record in the segment.
    pub fn first(&self) -> SequenceNumber {
        self.entries[0].first
    }

    /// Where to read to find `number` and what follows: all frames of the shard begin at one of these offsets, or less
    /// than [`INDEX_STRIDE_BYTES`] behind it.
    pub fn offsets_from(&self, number: SequenceNumber) -> Vec<u64> {
        self.offsets_behind(self.entries.partition_point(|entry| entry.first <= number))
    }

    /// Where to read to find the first record that arrived at `at` or later, and what follows.
    pub fn offsets_at(&self, at: Timestamp) -> Vec<u64> {
        self.offsets_behind(self.entries.partition_point(|entry| entry.arrived_at < at))
    }

    fn offsets_behind(&self, after: usize) -> Vec<u64> {
        self.entries[after.saturating_sub(1)..].iter().map(|entry| entry.offset).collect()
    }
}

/// All shards of one segment.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct SegmentIndex {
    /// Only shards with records in the segment.
    pub shards: BTreeMap<ShardId, ShardIndex>,
    /// When the first record in it arrived.
    pub first_arrived_at: Option<Timestamp>,
    /// When the last frame was stamped.
    pub last_arrived_at: Option<Timestamp>,
    /// Verified bytes.
    pub length: u64,
}

impl SegmentIndex {
    /// Takes note of `count` records of `shard` in a frame at `offset`.
    pub fn note(&mut self, shard: ShardId, first: SequenceNumber, count: u32, arrived_at: Timestamp, offset: u64) {
        self.first_arrived_at.get_or_insert(arrived_at);
        self.last_arrived_at = self.last_arrived_at.max(Some(arrived_at));
        let next = first.plus(u64::from(count));
        let entry = IndexEntry { first, arrived_at, offset };
        let index = self.shards.entry(shard).or_insert_with(|| ShardIndex { entries: vec![entry], next });
        index.next = next;
        if index.entries.last().is_some_and(|last| offset >= last.offset + INDEX_STRIDE_BYTES) {
            index.entries.push(entry);
        }
    }
}
