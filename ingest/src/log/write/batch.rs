//! Entries of one call, routed to their shards and encoded: done by the caller, so that the writer of the stream has
//! little to do for each call and nothing for each record.

use bytes::BytesMut;
use model::clock::Timestamp;
use model::stream::hash_key::HashKey;
use model::stream::record::{Appended, PutEntry};
use model::stream::sequence_number::SequenceNumber;
use model::stream::shard::{ShardId, ShardMap};

use crate::log::frames::block::{RECORD_ENTRY_BYTES, Unnumbered, put_records};

/// Records of a call that go to one shard are cut into blocks of about this size: what a reader at most reads and
/// checks for one record, but for larger records.
pub(crate) const BLOCK_BYTES_MAX: usize = 1 << 20;

/// Where the writer put the blocks of a batch.
#[derive(Debug)]
pub(crate) struct Placed {
    /// The number of each block's first record.
    pub(crate) firsts: Vec<SequenceNumber>,
    /// When all of them arrived.
    pub(crate) arrived_at: Timestamp,
}

/// The entries of one call.
#[derive(Debug)]
pub(crate) struct Batch {
    blocks: Vec<Unnumbered>,
    /// The index of the entry that each record was, in order of the blocks.
    order: Vec<u32>,
}

impl Batch {
    /// Routes by `hashes` and encodes the entries that `is_taken` names. Those of one shard keep their order.
    pub(crate) fn new(
        entries: &[PutEntry],
        hashes: &[HashKey],
        is_taken: impl Fn(usize) -> bool,
        shards: &ShardMap,
    ) -> Self {
        let place = |index: usize| {
            let index_short = u32::try_from(index).expect("calls are bounded far below 2^32 entries");
            (shards.route(hashes[index]), index_short)
        };
        let mut places: Vec<_> = (0..entries.len()).filter(|index| is_taken(*index)).map(place).collect();
        places.sort_unstable();
        let entry = |place: &(ShardId, u32)| &entries[place.1 as usize];
        let bytes = places.iter().map(|place| RECORD_ENTRY_BYTES + entry(place).size_bytes()).sum();
        let (mut out, mut blocks, mut rest) = (BytesMut::with_capacity(bytes), Vec::new(), &places[..]);
        while let Some((shard, _)) = rest.first() {
            let (block, after) = rest.split_at(block_length(rest, |place| entry(place).size_bytes()));
            let count = put_records(&mut out, block.iter().map(entry));
            blocks.push(Unnumbered { shard: *shard, count, payload: out.split().freeze() });
            rest = after;
        }
        Batch { blocks, order: places.into_iter().map(|(_, index)| index).collect() }
    }

    /// What the writer takes; the bytes are shared.
    pub(crate) fn blocks(&self) -> Vec<Unnumbered> {
        self.blocks.clone()
    }

    /// Where the entries went, each with its index among all that were given.
    pub(crate) fn appended(&self, placed: &Placed) -> impl Iterator<Item = (usize, Appended)> {
        let arrived_at = placed.arrived_at;
        let numbers = self.blocks.iter().zip(&placed.firsts).flat_map(move |(block, first)| {
            let (shard, first) = (block.shard, first.0);
            (first..first + u64::from(block.count)).map(move |number| Appended {
                shard,
                sequence_number: SequenceNumber(number),
                arrived_at,
            })
        });
        self.order.iter().map(|index| *index as usize).zip(numbers)
    }
}

/// How many of `places`, all that are left, make the next block.
fn block_length(places: &[(ShardId, u32)], size: impl Fn(&(ShardId, u32)) -> usize) -> usize {
    let mut bytes = 0;
    let end = places.iter().position(|place| {
        let ends = place.0 != places[0].0 || bytes >= BLOCK_BYTES_MAX;
        bytes += size(place);
        ends
    });
    end.unwrap_or(places.len())
}
