//! Where the records of a shard stand in a segment: sparse, derived from the frames, never needed to be right on disk.

use std::collections::BTreeMap;

use model::clock::Timestamp;
use model::stream::sequence_number::SequenceNumber;
use model::stream::shard::ShardId;

use crate::log::segments::index_entries::{IndexEntries, IndexEntry, put_number, take_number};

/// A shard has an entry at least every so many bytes of a segment: what a reader skips at most to find its place.
pub const INDEX_STRIDE_BYTES: u64 = 32 << 10;

/// One shard in one segment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ShardIndex {
    /// Frames with records of it.
    pub entries: IndexEntries,
    /// One past the shard's last record in the segment.
    pub next: SequenceNumber,
}

impl ShardIndex {
    /// The shard's first record in the segment.
    pub fn first(&self) -> SequenceNumber {
        self.entries.first()
    }

    /// Where to read to find `number` and what follows: all frames of the shard begin at one of these offsets, or less
    /// than [`INDEX_STRIDE_BYTES`] behind it.
    pub fn offsets_from(&self, number: SequenceNumber) -> Vec<u64> {
        self.offsets_behind(|entry| entry.first <= number)
    }

    /// Where to read to find the first record that arrived at `at` or later, and what follows.
    pub fn offsets_at(&self, at: Timestamp) -> Vec<u64> {
        self.offsets_behind(|entry| entry.arrived_at < at)
    }

    /// Offsets from the last entry on that `is_before`, or from the first where none is.
    fn offsets_behind(&self, is_before: impl Fn(IndexEntry) -> bool) -> Vec<u64> {
        let mut offsets = Vec::new();
        for entry in self.entries.iter() {
            if is_before(entry) {
                offsets.clear();
            }
            offsets.push(entry.offset);
        }
        offsets
    }
}

/// All shards of one segment.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
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
        let index = self.shards.entry(shard).or_insert_with(|| ShardIndex { entries: IndexEntries::new(entry), next });
        index.next = next;
        if offset >= index.entries.last().offset + INDEX_STRIDE_BYTES {
            index.entries.push(entry);
        }
    }

    /// Gives back memory that was kept for more entries: nothing is noted any more.
    pub fn shrink(&mut self) {
        self.shards.values_mut().for_each(|index| index.entries.shrink());
    }

    /// The bytes that [`SegmentIndex::decode`] reads: numbers as LEB128, and for each shard how many bytes its entries
    /// take, and those.
    pub fn encode(&self) -> Vec<u8> {
        let mut bytes = Vec::new();
        for at in [self.first_arrived_at, self.last_arrived_at] {
            put_number(&mut bytes, u64::from(at.is_some()));
            put_number(&mut bytes, at.map_or(0, |at| at.as_millis().cast_unsigned()));
        }
        put_number(&mut bytes, self.length);
        for (shard, index) in &self.shards {
            let entries = index.entries.bytes();
            for number in [shard.0.into(), index.next.0, entries.len() as u64] {
                put_number(&mut bytes, number);
            }
            bytes.extend_from_slice(entries);
        }
        bytes
    }

    /// Reads an index; nothing where it is none.
    pub fn decode(mut bytes: &[u8]) -> Option<Self> {
        let bytes = &mut bytes;
        let mut at = || {
            let (is_some, at) = (take_number(bytes)?, take_number(bytes)?);
            Some((is_some == 1).then(|| Timestamp::from_millis(at.cast_signed())))
        };
        let (first_arrived_at, last_arrived_at) = (at()?, at()?);
        let (length, mut shards) = (take_number(bytes)?, BTreeMap::new());
        while !bytes.is_empty() {
            let shard = ShardId(u32::try_from(take_number(bytes)?).ok()?);
            let (next, entries_bytes) = (SequenceNumber(take_number(bytes)?), take_number(bytes)?);
            let (entries, rest) = bytes.split_at_checked(usize::try_from(entries_bytes).ok()?)?;
            *bytes = rest;
            shards.insert(shard, ShardIndex { entries: IndexEntries::decode(entries)?, next });
        }
        Some(SegmentIndex { shards, first_arrived_at, last_arrived_at, length })
    }
}
