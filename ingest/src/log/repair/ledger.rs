//! Which numbers are lost: found out from what stands before and behind each place that is damaged.
//!
//! A shard's numbers go up, and every frame, and the head of every segment, says how far they were.
//! If a number is missing between two such places, and bytes were lost in between, its record was in
//! these bytes. If none were lost there, the number was never given.

use std::collections::BTreeMap;

use model::stream::sequence_number::SequenceNumber;
use model::stream::shard::{ShardId, ShardMap};

use crate::log::frames::lost::{Loss, records_in};

/// A place that is damaged and does not say what it held.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Hole {
    pub(crate) segment: u64,
    pub(crate) offset: u64,
    pub(crate) bytes: u64,
    /// The most records that can have been in it.
    pub(crate) records_max: u64,
}

impl Hole {
    pub(crate) fn new(segment: u64, offset: u64, bytes: u64) -> Hole {
        Hole { segment, offset, bytes, records_max: records_in(bytes).max(1) }
    }
}

/// How far a shard was when it was last met.
#[derive(Debug, Clone, Copy)]
struct Met {
    next: SequenceNumber,
    /// Holes before that.
    holes: usize,
}

/// Follows the numbers of all shards through a log, from its oldest frame to its newest.
#[derive(Debug, Default)]
pub(crate) struct Ledger {
    met: BTreeMap<ShardId, Met>,
    holes: Vec<Hole>,
    pub(crate) losses: Vec<Loss>,
}

impl Ledger {
    /// All that comes from the beginning of a log whose older segments are dropped, or not.
    pub(crate) fn begin(shards: &ShardMap, is_whole: bool) -> Ledger {
        let begun = |first| Met { next: first, holes: 0 };
        let met = shards.iter().filter(|_| is_whole).map(|shard| (shard.id, begun(shard.first))).collect();
        Ledger { met, ..Ledger::default() }
    }

    /// A place that is damaged.
    pub(crate) fn hole(&mut self, hole: Hole) {
        self.holes.push(hole);
    }

    /// The next number of `shard` here is `number`.
    pub(crate) fn is_at(&mut self, shard: ShardId, number: SequenceNumber) {
        let holes = self.holes.len();
        let since = self.met.get(&shard).map_or(0, |met| met.holes);
        if let Some(loss) = self.missing(shard, number, since) {
            self.losses.push(loss);
        }
        let met = self.met.entry(shard).or_insert(Met { next: number, holes });
        *met = Met { next: met.next.max(number), holes };
    }

    /// Records that are there.
    pub(crate) fn records(&mut self, shard: ShardId, first: SequenceNumber, count: u32) {
        self.is_at(shard, first);
        self.pass(shard, first.plus(count.into()));
    }

    /// Records that are lost, as the header of their frame says.
    pub(crate) fn lost(&mut self, shard: ShardId, first: SequenceNumber, count: u32, hole: Hole) {
        self.is_at(shard, first);
        let end = first.plus(count.into());
        if self.met.get(&shard).is_some_and(|met| met.next <= first) && first < end {
            let Hole { segment, offset, bytes, .. } = hole;
            self.losses.push(Loss { shard, first, end, records: count.into(), exact: true, segment, offset, bytes });
        }
        self.pass(shard, end);
    }

    /// Numbers of `shard` up to `next` are accounted for.
    pub(crate) fn pass(&mut self, shard: ShardId, next: SequenceNumber) {
        let met = self.met.entry(shard).or_insert(Met { next, holes: 0 });
        met.next = met.next.max(next);
    }

    /// Ends behind the newest frame. Numbers that an open shard may have given in lost bytes at the
    /// end are never given again.
    pub(crate) fn end(&mut self, shards: &ShardMap) {
        for shard in shards.iter() {
            let met = self.met.get(&shard.id).copied().unwrap_or(Met { next: shard.first, holes: 0 });
            let most: u64 = self.holes[met.holes..].iter().map(|hole| hole.records_max).sum();
            let end = shard.end.unwrap_or_else(|| met.next.plus(most));
            self.is_at(shard.id, end);
        }
        self.losses.retain(|loss| shards.get(loss.shard).is_some());
        self.losses.sort_unstable_by_key(|loss| (loss.shard, loss.first));
    }

    /// The next number of every shard that was met.
    pub(crate) fn next(&self) -> impl Iterator<Item = (ShardId, SequenceNumber)> {
        self.met.iter().map(|(shard, met)| (*shard, met.next))
    }

    /// What of `shard` is missing before `number`, if bytes were lost after the first `since` holes.
    fn missing(&self, shard: ShardId, number: SequenceNumber, since: usize) -> Option<Loss> {
        let holes = &self.holes[since..];
        let Hole { segment, offset, .. } = *holes.first()?;
        let most: u64 = holes.iter().map(|hole| hole.records_max).sum();
        // Of a log whose beginning is lost, nobody knows how far the shard was.
        let begin = || SequenceNumber(number.0.saturating_sub(most));
        let first = self.met.get(&shard).map_or_else(begin, |met| met.next);
        let numbers = number.0.checked_sub(first.0).filter(|numbers| *numbers > 0)?;
        let (records, bytes) = (numbers.min(most), holes.iter().map(|hole| hole.bytes).sum());
        Some(Loss { shard, first, end: number, records, exact: false, segment, offset, bytes })
    }
}

#[cfg(test)]
mod tests {
    use model::clock::Timestamp;

    use super::*;

    const SHARD: ShardId = ShardId(0);

    fn number(number: u64) -> SequenceNumber {
        SequenceNumber(number)
    }

    /// The losses of a log of one shard, and the number it goes on with.
    fn check(log: impl FnOnce(&mut Ledger), losses: &[(u64, u64, u64, bool)], next: u64) {
        let shards = ShardMap::uniform(1, Timestamp::default());
        let mut ledger = Ledger::begin(&shards, true);
        log(&mut ledger);
        ledger.end(&shards);
        let found = ledger.losses.iter().map(|loss| (loss.first.0, loss.end.0, loss.records, loss.exact));
        assert_eq!(found.collect::<Vec<_>>(), losses);
        assert_eq!(ledger.next().collect::<Vec<_>>(), [(SHARD, number(next))]);
    }

    #[test]
    fn numbers_around_damage_tell_what_is_lost() {
        check(|log| log.records(SHARD, number(0), 5), &[], 5);
        let hole = || Hole::new(0, 100, 70);
        // Numbers that were never given are not lost.
        let gap = |log: &mut Ledger| {
            log.records(SHARD, number(0), 5);
            log.records(SHARD, number(9), 1);
        };
        check(gap, &[], 10);
        let between = |log: &mut Ledger| {
            log.records(SHARD, number(0), 5);
            log.hole(hole());
            log.records(SHARD, number(9), 1);
            log.records(SHARD, number(12), 1);
        };
        check(between, &[(5, 9, 4, false)], 13);
        // 70 bytes have at most 10 records.
        let wide = |log: &mut Ledger| {
            log.hole(hole());
            log.records(SHARD, number(1000), 1);
        };
        check(wide, &[(0, 1000, 10, false)], 1001);
        let at_the_end = |log: &mut Ledger| {
            log.records(SHARD, number(0), 5);
            log.hole(hole());
        };
        check(at_the_end, &[(5, 15, 10, false)], 15);
        let known = |log: &mut Ledger| {
            log.records(SHARD, number(0), 5);
            log.lost(SHARD, number(5), 3, hole());
            log.records(SHARD, number(8), 3);
        };
        check(known, &[(5, 8, 3, true)], 11);
    }
}
