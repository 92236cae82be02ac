//! A group that is being put together: records of several calls, numbered, and framed so that a frame is neither tiny
//! nor copied without need.

use std::collections::{BTreeMap, HashMap};

use model::name::ConsumerName;
use model::stream::checkpoint::Checkpoint;
use model::stream::sequence_number::SequenceNumber;
use model::stream::shard::ShardId;
use model::stream::store::StreamError;

use crate::log::frames::block::{Block, Unnumbered};
use crate::log::frames::group::Group;
use crate::log::write::batch::Placed;
use crate::log::write::queue::Done;

/// Blocks of a shard are joined, which copies them, as long as they are not larger than this together: many small
/// calls make few frames, and large calls are written from where they are.
const JOIN_BYTES_MAX: usize = 32 << 10;

/// An answer that is given once the group is durable.
pub(crate) enum Answer {
    /// Where the records went; none when a shard had closed, so that the caller routes anew.
    Placed(Done<Option<Placed>>, Option<Placed>),
    Refused(Done<Option<Placed>>, StreamError),
}

impl Answer {
    // A caller that has gone away does not need the answer.
    pub(crate) fn give(self) {
        match self {
            Answer::Placed(done, placed) => drop(done.send(Ok(placed))),
            Answer::Refused(done, error) => drop(done.send(Err(error))),
        }
    }

    pub(crate) fn fail(self, error: StreamError) {
        match self {
            Answer::Placed(done, _) => drop(done.send(Err(error))),
            Answer::Refused(done, refused) => drop(done.send(Err(refused))),
        }
    }
}

/// The group, and what comes with it.
pub(crate) struct Draft {
    pub(crate) group: Group,
    pub(crate) checkpoints: HashMap<ConsumerName, Checkpoint>,
    pub(crate) answers: Vec<Answer>,
    /// Blocks that are numbered but not framed yet, per shard.
    pending: BTreeMap<ShardId, Pending>,
}

struct Pending {
    first: SequenceNumber,
    parts: Vec<Unnumbered>,
    bytes: usize,
}

impl Draft {
    pub(crate) fn new(group: Group) -> Self {
        Draft { group, checkpoints: HashMap::new(), answers: Vec::new(), pending: BTreeMap::new() }
    }

    /// Adds a block whose first record gets the number `first`, which follows on those of the shard added before.
    pub(crate) fn add(&mut self, block: Unnumbered, first: SequenceNumber) {
        let bytes = block.payload.len();
        let fresh = || Pending { first, parts: Vec::new(), bytes: 0 };
        let pending = self.pending.entry(block.shard).or_insert_with(fresh);
        if !pending.parts.is_empty() && pending.bytes + bytes > JOIN_BYTES_MAX {
            let full = std::mem::replace(pending, fresh()).joined(&self.group);
            self.group.push_records(full);
        }
        pending.bytes += bytes;
        pending.parts.push(block);
    }

    /// Frames what is pending.
    pub(crate) fn flush(&mut self) {
        for pending in std::mem::take(&mut self.pending).into_values() {
            let block = pending.joined(&self.group);
            self.group.push_records(block);
        }
    }
}

impl Pending {
    fn joined(self, group: &Group) -> Block {
        let records = Unnumbered::join(self.parts).expect("what is pending has a block");
        records.numbered(self.first, group.arrived_at())
    }
}
