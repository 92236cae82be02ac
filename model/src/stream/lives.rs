//! The lives of a stream's name, and what its numbers say about them: no number is given out twice.
//!
//! ```text
//! create         put          delete    create                 open again        put
//!   │ A, A+1, A+2 │             ✕         │ B, B+1, B+2          │ skip            │ C, C+1
//!   A = time of creation                  B: above A, also       C: above all that a lost future of
//!                                         by its time            this folder can have given out
//! ```
//!
//! A stream's first number is the time of its creation, [`first_number_at`]; a stream that is opened
//! again goes on at the time of its opening, if that is above its last number. No store gives out as
//! many numbers as pass in that time, so all that was given out before is below, also by a stream
//! that was deleted, and by a copy of the folder that nobody has any more. What a store knows of an
//! earlier life counts as well: the clock may have been set back.
//!
//! So a position that is below the first number of a stream is of an earlier stream of that name.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::clock::Timestamp;
use crate::name::ConsumerName;
use crate::stream::checkpoint::Positions;
use crate::stream::lineage::passed;
use crate::stream::sequence_number::SequenceNumber;
use crate::stream::shard::{SHARDS_MAX, ShardId, ShardMap};

/// Numbers for each millisecond, as a power of two: a billion records a second.
const NUMBERS_PER_MILLI_BITS: u32 = 20;
/// Later times are not counted, so that numbers stay below 2^63 with room for records: in 2109.
const MILLIS_MAX: i64 = 1 << 42;
/// The most earlier streams of a name that are remembered.
const EARLIER_MAX: usize = 16;
/// The most openings that are remembered.
const RESUMED_MAX: usize = 64;

/// The first number of a stream that is created or opened at `now`.
pub fn first_number_at(now: Timestamp) -> SequenceNumber {
    let millis = u64::try_from(now.as_millis().clamp(0, MILLIS_MAX)).unwrap_or(0);
    SequenceNumber(millis << NUMBERS_PER_MILLI_BITS)
}

/// Which numbers are a stream's own, and which were those of earlier streams of its name.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Lives {
    /// All of its numbers are from here on, those of earlier streams of the name below. Zero for a
    /// stream that is older than this rule.
    #[serde(default)]
    pub first: SequenceNumber,
    /// Where numbers went on when the stream was opened again, in order; not all that ever were.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub resumed: Vec<SequenceNumber>,
    /// Earlier streams of the name, oldest first, as far as they are remembered.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub earlier: Vec<EarlierLife>,
}

/// A stream that was deleted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct EarlierLife {
    /// Its first number.
    pub first: SequenceNumber,
    /// Its shards at the end.
    pub shards: ShardMap,
    /// The number that would have come next in each of them.
    pub next: BTreeMap<ShardId, SequenceNumber>,
    /// How far the consumers had come whose checkpoints were kept in it.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub positions: BTreeMap<ConsumerName, Positions>,
}

impl EarlierLife {
    /// Above all of its numbers.
    pub fn end(&self) -> SequenceNumber {
        let firsts = self.shards.iter().map(|shard| shard.first);
        self.next.values().copied().chain(firsts).chain([self.first]).max().unwrap_or(self.first)
    }

    /// How many of its records a consumer at `positions` has not read.
    fn unread(&self, positions: &Positions) -> u64 {
        let passed = passed(&self.shards, positions);
        let left = self.shards.iter().filter(|shard| !passed.contains(&shard.id)).map(|shard| {
            let from = match positions.get(&shard.id) {
                Some(position) if position.finished => return 0,
                Some(position) => position.next,
                None => shard.first,
            };
            // The end of a shard that was closed lately may be an upper bound.
            let ends = shard.end.into_iter().chain(self.next.get(&shard.id).copied());
            shard.records_between(from, ends.min().unwrap_or(from))
        });
        left.sum()
    }
}

impl Lives {
    /// Those of a stream that begins at `first`, after the streams `earlier`.
    pub fn beginning_at(first: SequenceNumber, earlier: Vec<EarlierLife>) -> Lives {
        Lives { first, resumed: Vec::new(), earlier }
    }

    /// With this opening.
    #[must_use]
    pub fn resumed_at(mut self, at: SequenceNumber) -> Lives {
        self.resumed.push(at);
        let old = self.resumed.len().saturating_sub(RESUMED_MAX);
        self.resumed.drain(..old);
        self
    }

    /// The earlier lives of whoever comes next, once this one has ended as `ended`.
    pub fn ended(self, ended: EarlierLife) -> Vec<EarlierLife> {
        let mut earlier = self.earlier;
        earlier.retain(|life| life.first < ended.first);
        earlier.push(ended);
        let shards = |lives: &[EarlierLife]| lives.iter().map(|life| life.shards.iter().count()).sum::<usize>();
        while earlier.len() > 1 && (earlier.len() > EARLIER_MAX || shards(&earlier) > SHARDS_MAX) {
            earlier.remove(0);
        }
        earlier
    }

    /// Whether `positions` are in an earlier stream of the name.
    pub fn are_earlier(&self, positions: &Positions) -> bool {
        positions.values().any(|position| position.next < self.first)
    }

    /// How many records of earlier streams a consumer at `positions`, which [`Lives::are_earlier`],
    /// has not read and never will: at least so many, as far as these streams are remembered.
    pub fn unread(&self, positions: &Positions) -> u64 {
        let lowest = positions.values().map(|position| position.next).min().unwrap_or(self.first);
        let own = self.earlier.iter().rposition(|life| life.first <= lowest);
        let of_own = own.map_or(0, |own| self.earlier[own].unread(positions));
        let later = &self.earlier[own.map_or(0, |own| own + 1)..];
        of_own + later.iter().map(|life| life.unread(&Positions::new())).sum::<u64>()
    }

    /// Where a consumer had come whose checkpoint was deleted with the last stream that had one.
    pub fn last_positions(&self, consumer: &ConsumerName) -> Option<&Positions> {
        self.earlier.iter().rev().find_map(|life| life.positions.get(consumer))
    }

    /// How many records there are at least with numbers from `from` on and below `to`, where their
    /// shards, and so the numbers that they skipped, are not known any more.
    pub fn at_least_between(&self, from: SequenceNumber, to: SequenceNumber) -> u64 {
        let resumed = match self.resumed.iter().rev().find(|at| **at <= to) {
            Some(at) => *at,
            // There may have been others before.
            None if self.resumed.len() == RESUMED_MAX => to,
            None => self.first,
        };
        let from = from.max(self.first).max(resumed);
        to.0.saturating_sub(from.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stream::checkpoint::Position;

    fn number(number: u64) -> SequenceNumber {
        SequenceNumber(number)
    }

    /// A stream of two shards with numbers from `first` on, of which the first shard has `records`.
    fn life(first: u64, records: u64) -> EarlierLife {
        let shards = ShardMap::uniform_from(2, Timestamp::default(), number(first));
        let next = BTreeMap::from([(ShardId(0), number(first + records)), (ShardId(1), number(first))]);
        EarlierLife { first: number(first), shards, next, positions: BTreeMap::new() }
    }

    fn at(places: &[(u32, u64)]) -> Positions {
        places.iter().map(|(shard, next)| (ShardId(*shard), Position::at(number(*next)))).collect()
    }

    #[test]
    fn numbers_of_a_time_are_above_those_of_an_earlier_one() {
        let at = |millis| first_number_at(Timestamp::from_millis(millis)).0;
        assert_eq!((at(-5), at(0)), (0, 0));
        assert_eq!(at(1_800_000_000_001) - at(1_800_000_000_000), 1 << 20);
        assert!(at(i64::MAX) < 1 << 63);
    }

    #[test]
    fn positions_of_earlier_lives_are_known_and_what_was_not_read_is_counted() {
        let lives = Lives::beginning_at(number(1000), vec![life(0, 30), life(100, 50), life(500, 7)]);
        assert!(!lives.are_earlier(&Positions::new()) && !lives.are_earlier(&at(&[(0, 1000), (1, 1003)])));
        assert!(lives.are_earlier(&at(&[(0, 1000), (1, 999)])));
        assert_eq!(lives.unread(&at(&[(0, 10), (1, 0)])), 20 + 50 + 7);
        assert_eq!(lives.unread(&at(&[(0, 130), (1, 100)])), 20 + 7);
        assert_eq!(lives.unread(&at(&[(0, 507), (1, 500)])), 0);
        // A shard that was not begun is wholly unread.
        assert_eq!(lives.unread(&at(&[(1, 500)])), 7);
    }

    #[test]
    fn of_numbers_over_an_opening_only_those_count_that_are_certain() {
        let lives = Lives::beginning_at(number(100), Vec::new()).resumed_at(number(1000)).resumed_at(number(2000));
        assert_eq!(lives.at_least_between(number(110), number(120)), 10);
        assert_eq!(lives.at_least_between(number(110), number(1005)), 5);
        assert_eq!(lives.at_least_between(number(1005), number(2000)), 0);
        assert_eq!(lives.at_least_between(number(50), number(103)), 3);
    }

    #[test]
    fn what_is_remembered_is_bounded() {
        let mut earlier = Vec::new();
        for n in 0..100 {
            earlier = Lives { earlier, ..Lives::default() }.ended(life(n * 10, 1));
        }
        assert_eq!(earlier.len(), EARLIER_MAX);
        assert_eq!(earlier[EARLIER_MAX - 1].first, number(990));
        let again = Lives { earlier, ..Lives::default() }.ended(life(990, 2));
        assert_eq!(again.len(), EARLIER_MAX, "a life that is ended again counts once");
    }
}
