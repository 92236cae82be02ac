//! Numbers that a repair has given up: readers pass them at once, and count them.

use std::collections::BTreeMap;

use model::stream::sequence_number::SequenceNumber;
use model::stream::shard::{ShardId, Skip, behind_skip};

use crate::log::frames::lost::Loss;

/// The losses of a stream, of which none overlap.
#[derive(Debug, Default)]
pub(crate) struct Losses(BTreeMap<(ShardId, SequenceNumber), Loss>);

impl Losses {
    pub(crate) fn new(losses: &[Loss]) -> Losses {
        Losses(losses.iter().map(|loss| ((loss.shard, loss.first), *loss)).collect())
    }

    /// The loss that `number` belongs to.
    pub(crate) fn at(&self, shard: ShardId, number: SequenceNumber) -> Option<&Loss> {
        let (_, loss) = self.0.range(..=(shard, number)).next_back()?;
        (loss.shard == shard && loss.holds(number)).then_some(loss)
    }

    /// The first number of a shard that is lost.
    pub(crate) fn first_of(&self, shard: ShardId) -> Option<SequenceNumber> {
        let (_, loss) = self.0.range((shard, SequenceNumber(0))..).next()?;
        (loss.shard == shard).then_some(loss.first)
    }

    /// The first number of the losses that end right before `number`, where losses that touch count
    /// as one, and numbers that no record ever had count for nothing. It is `number` itself if no
    /// loss ends there.
    pub(crate) fn begin_before(&self, shard: ShardId, skips: &[Skip], mut number: SequenceNumber) -> SequenceNumber {
        for (_, loss) in self.0.range(..(shard, number)).rev() {
            if loss.shard != shard || behind_skip(skips, loss.end) != number {
                break;
            }
            number = loss.first;
        }
        number
    }

    /// Where a reader goes on who comes to `from`, and how many records it passes by that.
    pub(crate) fn pass(&self, shard: ShardId, mut from: SequenceNumber) -> (SequenceNumber, u64) {
        let mut records = 0;
        while let Some(loss) = self.at(shard, from) {
            records += loss.records_from(from);
            from = loss.end;
        }
        (from, records)
    }

    /// Records that are lost in all: at most so many.
    pub(crate) fn records(&self) -> u64 {
        self.0.values().map(|loss| loss.records).sum()
    }
}
