//! The writer gives numbers: what is appended or committed becomes part of the group that is being put together.

use model::name::ConsumerName;
use model::stream::checkpoint::Checkpoint;
use model::stream::sequence_number::SequenceNumber;
use model::stream::shard::Shard;
use model::stream::store::StreamError;

use crate::log::frames::block::{Block, Unnumbered};
use crate::log::write::batch::Placed;
use crate::log::write::draft::{Answer, Draft};
use crate::log::write::queue::Done;
use crate::log::write::writer::Writer;

impl Writer {
    /// Goes back to what is durable: the group that was begun has left nothing behind, its numbers are free.
    pub(crate) fn forget_group(&mut self) {
        let mut shared = self.stream.lock();
        for (shard, next) in &mut self.next {
            *next = shared.shards[shard].next;
        }
        shared.in_flight = None;
    }

    /// Numbers blocks and adds them to the group; none of them when a shard has closed since they were routed.
    pub(crate) fn append(&mut self, draft: &mut Draft, blocks: Vec<Unnumbered>) -> Option<Placed> {
        if !self.are_open(&blocks) {
            return None;
        }
        let add = |block: Unnumbered| {
            let first = self.numbers(&block);
            draft.add(block, first);
            first
        };
        let firsts = blocks.into_iter().map(add).collect();
        Some(Placed { firsts, arrived_at: draft.group.arrived_at() })
    }

    /// A shard that is open owns what it owned when it was created, so what was routed to it still belongs there.
    fn are_open(&self, blocks: &[Unnumbered]) -> bool {
        blocks.iter().all(|block| self.manifest.shards.get(block.shard).is_some_and(Shard::is_open))
    }

    /// The number of a block's first record; the others follow.
    fn numbers(&mut self, block: &Unnumbered) -> SequenceNumber {
        let next = self.next.get_mut(&block.shard).expect("every open shard has a next number");
        let first = *next;
        *next = first.plus(u64::from(block.count));
        first
    }

    /// Frames a commit whole, or refuses it.
    pub(crate) fn commit(
        &mut self,
        draft: &mut Draft,
        consumer: ConsumerName,
        checkpoint: Checkpoint,
        outputs: Vec<Unnumbered>,
        done: Done<Option<Placed>>,
    ) -> Answer {
        let found = match draft.checkpoints.get(&consumer) {
            Some(pending) => pending.version,
            None => self.stream.lock().checkpoints.get(&consumer).map_or(0, |checkpoint| checkpoint.version),
        };
        if checkpoint.version != found + 1 {
            let expected = checkpoint.version.saturating_sub(1);
            return Answer::Refused(done, StreamError::CheckpointConflict { consumer, expected, found });
        }
        if !self.are_open(&outputs) {
            return Answer::Placed(done, None);
        }
        // Numbers in a shard follow the order of frames.
        draft.flush();
        let arrived_at = draft.group.arrived_at();
        let number = |block: Unnumbered| {
            let first = self.numbers(&block);
            block.numbered(first, arrived_at)
        };
        let outputs: Vec<Block> = outputs.into_iter().map(number).collect();
        let firsts = outputs.iter().map(|block| block.first).collect();
        draft.group.push_commit(&consumer, &checkpoint, outputs);
        draft.checkpoints.insert(consumer, checkpoint);
        Answer::Placed(done, Some(Placed { firsts, arrived_at }))
    }
}
