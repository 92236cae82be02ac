//! The newest groups of a stream, in memory, so that readers at the tip never touch the disk.
//!
//! All tails of a store share a budget. Over it, a stream that is written keeps little more than its
//! newest group, and a stream that nobody writes gives up its tail. Readers then read files.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use model::stream::sequence_number::SequenceNumber;
use model::stream::shard::ShardId;
use model::stream::store::ReadLimit;

use crate::log::frames::block::Block;

/// What a block takes besides its bytes: many small ones are bounded too.
const BLOCK_BYTES: usize = size_of::<Block>() + size_of::<ShardId>();

/// The bytes of all tails of a store.
#[derive(Debug)]
pub(crate) struct TailBudget {
    bytes: AtomicUsize,
    bytes_max: usize,
}

impl TailBudget {
    pub(crate) fn new(bytes_max: usize) -> Arc<Self> {
        Arc::new(TailBudget { bytes: AtomicUsize::new(0), bytes_max })
    }

    fn is_over(&self) -> bool {
        self.bytes_max < self.bytes.load(Ordering::Relaxed)
    }

    /// Whether tails that nobody adds to are in the way of others.
    fn is_scarce(&self) -> bool {
        self.bytes_max / 4 < self.bytes.load(Ordering::Relaxed)
    }
}

/// Groups in the order they were written, oldest dropped first.
#[derive(Debug)]
pub(crate) struct Tail {
    shards: HashMap<ShardId, VecDeque<Block>>,
    /// Bytes of each group, and the shard of each of its blocks.
    groups: VecDeque<(usize, Vec<ShardId>)>,
    bytes: usize,
    bytes_max: usize,
    budget: Arc<TailBudget>,
    /// A group was added since [`Tail::rest`] was last called.
    is_fresh: bool,
}

impl Drop for Tail {
    fn drop(&mut self) {
        self.budget.bytes.fetch_sub(self.bytes, Ordering::Relaxed);
    }
}

impl Tail {
    pub(crate) fn new(bytes_max: usize, budget: Arc<TailBudget>) -> Self {
        Tail { shards: HashMap::new(), groups: VecDeque::new(), bytes: 0, bytes_max, budget, is_fresh: false }
    }

    /// Adds the blocks of a group of `bytes`, and drops the oldest groups beyond the bound.
    pub(crate) fn push(&mut self, bytes: usize, blocks: Vec<Block>) {
        let bytes = bytes + blocks.len() * BLOCK_BYTES;
        let shards = blocks.iter().map(|block| block.shard).collect();
        for block in blocks {
            self.shards.entry(block.shard).or_default().push_back(block);
        }
        self.groups.push_back((bytes, shards));
        self.is_fresh = true;
        self.bytes += bytes;
        self.budget.bytes.fetch_add(bytes, Ordering::Relaxed);
        while self.bytes_max < self.bytes || (self.groups.len() > 1 && self.budget.is_over()) {
            if !self.drop_oldest() {
                break;
            }
        }
    }

    /// Called now and then: gives up what it holds if nothing was added in between and others need
    /// the room.
    pub(crate) fn rest(&mut self) {
        let is_fresh = std::mem::take(&mut self.is_fresh);
        if !is_fresh && self.budget.is_scarce() {
            while self.drop_oldest() {}
        }
    }

    fn drop_oldest(&mut self) -> bool {
        let Some((bytes, shards)) = self.groups.pop_front() else { return false };
        self.bytes -= bytes;
        self.budget.bytes.fetch_sub(bytes, Ordering::Relaxed);
        for shard in shards {
            let blocks = self.shards.get_mut(&shard).expect("a block of the group is there");
            blocks.pop_front();
            if blocks.is_empty() {
                self.shards.remove(&shard);
            }
        }
        true
    }

    /// Blocks with the records of `shard` from `from` on, enough for `limit`; none when they begin before what is in
    /// memory. They share its bytes, so that nobody decodes while the tail is locked.
    pub(crate) fn find(&self, shard: ShardId, from: SequenceNumber, limit: ReadLimit) -> Option<Vec<Block>> {
        let blocks = self.shards.get(&shard)?;
        if from < blocks.front()?.first {
            return None;
        }
        let begin = blocks.partition_point(|block| block.end() <= from);
        let (mut records, mut bytes) = (0, 0);
        let enough = |block: &&Block| {
            let wanted = records < limit.records_max && bytes < limit.bytes_max;
            // Of the first block, some may come before `from`.
            if block.first >= from {
                records += block.count as usize;
                bytes += block.record_bytes();
            }
            wanted
        };
        Some(blocks.range(begin..).take_while(enough).cloned().collect())
    }
}

#[cfg(test)]
mod tests {
    use model::clock::Timestamp;
    use model::stream::hash_key::PartitionKey;
    use model::stream::record::PutEntry;

    use super::*;
    use crate::log::frames::block::Unnumbered;

    const GROUP_BYTES: usize = 1000;

    fn add(tail: &mut Tail, number: u64) {
        let entry = PutEntry::new(PartitionKey::new("k").expect("a key"), vec![7; 10]);
        let block = Unnumbered::encode(ShardId(0), [&entry].into_iter())
            .numbered(SequenceNumber(number), Timestamp::from_millis(1));
        tail.push(GROUP_BYTES, vec![block]);
    }

    fn has(tail: &Tail, number: u64) -> bool {
        let limit = ReadLimit { records_max: 1, bytes_max: 1, wait: false };
        tail.find(ShardId(0), SequenceNumber(number), limit).is_some()
    }

    #[test]
    fn tails_share_a_budget_and_those_at_rest_give_it_up() {
        let budget = TailBudget::new(10 * GROUP_BYTES);
        let (mut busy, mut idle) =
            (Tail::new(usize::MAX, Arc::clone(&budget)), Tail::new(usize::MAX, Arc::clone(&budget)));
        (0..20).for_each(|number| add(&mut idle, number));
        assert!(has(&idle, 19) && !has(&idle, 0), "the newest stay");
        (0..20).for_each(|number| add(&mut busy, number));
        assert!(has(&busy, 19) && !has(&busy, 18), "the newest group at least");
        idle.rest();
        assert!(has(&idle, 19), "it was added to since the last time");
        idle.rest();
        assert!(!has(&idle, 19));
        busy.rest();
        (20..25).for_each(|number| add(&mut busy, number));
        assert!(has(&busy, 20), "there is room again");
        drop((busy, idle));
        assert_eq!(budget.bytes.load(Ordering::Relaxed), 0);
    }
}
