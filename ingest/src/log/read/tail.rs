//! The newest groups of a stream, in memory, so that readers at the tip never touch the disk.

use std::collections::{HashMap, VecDeque};

use model::stream::sequence_number::SequenceNumber;
use model::stream::shard::ShardId;
use model::stream::store::ReadLimit;

use crate::log::frames::block::Block;

/// What a block takes besides its bytes: many small ones are bounded too.
const BLOCK_BYTES: usize = size_of::<Block>() + size_of::<ShardId>();

/// Groups in the order they were written, oldest dropped first.
#[derive(Debug)]
pub(crate) struct Tail {
    shards: HashMap<ShardId, VecDeque<Block>>,
    /// Bytes of each group, and the shard of each of its blocks.
    groups: VecDeque<(usize, Vec<ShardId>)>,
    bytes: usize,
    bytes_max: usize,
}

impl Tail {
    pub(crate) fn new(bytes_max: usize) -> Self {
        Tail { shards: HashMap::new(), groups: VecDeque::new(), bytes: 0, bytes_max }
    }

    /// Adds the blocks of a group of `bytes`, and drops the oldest groups beyond the bound.
    pub(crate) fn push(&mut self, bytes: usize, blocks: Vec<Block>) {
        let bytes = bytes + blocks.len() * BLOCK_BYTES;
        let shards = blocks.iter().map(|block| block.shard).collect();
        for block in blocks {
            self.shards.entry(block.shard).or_default().push_back(block);
        }
        self.groups.push_back((bytes, shards));
        self.bytes += bytes;
        while self.bytes > self.bytes_max
            && let Some((bytes, shards)) = self.groups.pop_front()
        {
            self.bytes -= bytes;
            for shard in shards {
                let blocks = self.shards.get_mut(&shard).expect("a block of the group is there");
                blocks.pop_front();
                if blocks.is_empty() {
                    self.shards.remove(&shard);
                }
            }
        }
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
