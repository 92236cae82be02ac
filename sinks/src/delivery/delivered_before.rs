//! What a sink holds already of records that a delivery reads: where the source was restored from an
//! older copy, later records of it may have been delivered before the copy was taken back.
//!
//! A number is given out once in all lives of a stream, so a record whose number an object names is
//! in that object.

use std::collections::BTreeMap;

use model::archive::name::RecordRange;
use model::stream::sequence_number::SequenceNumber;
use model::stream::shard::ShardId;

/// Ranges of numbers by shard.
#[derive(Debug, Default)]
pub(super) struct DeliveredBefore {
    /// By first number; the last one is included.
    ranges: BTreeMap<ShardId, BTreeMap<SequenceNumber, SequenceNumber>>,
}

impl DeliveredBefore {
    /// What objects with these records hold.
    pub(super) fn new(objects: impl IntoIterator<Item = RecordRange>) -> Self {
        let mut before = DeliveredBefore::default();
        for RecordRange { shard, first, last } in objects {
            let known = before.ranges.entry(shard).or_default().entry(first).or_insert(last);
            *known = last.max(*known);
        }
        before
    }

    /// Whether the sink holds that record.
    pub(super) fn has(&self, shard: ShardId, number: SequenceNumber) -> bool {
        let ranges = self.ranges.get(&shard).and_then(|ranges| ranges.range(..=number).next_back());
        ranges.is_some_and(|(_, last)| number <= *last)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_say_which_records_are_there() {
        let range = |shard, first, last| RecordRange {
            shard: ShardId(shard),
            first: SequenceNumber(first),
            last: SequenceNumber(last),
        };
        let before = DeliveredBefore::new([range(0, 10, 19), range(0, 30, 30), range(1, 0, 5)]);
        let has = |shard, number| before.has(ShardId(shard), SequenceNumber(number));
        let found: Vec<u64> = (0..40).filter(|number| has(0, *number)).collect();
        assert_eq!(found, (10..20).chain([30]).collect::<Vec<_>>());
        assert!(has(1, 5) && !has(1, 6) && !has(2, 0));
    }
}
