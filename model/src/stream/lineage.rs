//! Which shards a consumer begins next, and what it has missed, computed on values.
//!
//! A consumer reads parents before their children. It may also be behind retention: the shards it
//! has read, or has still to read, are then no longer in the map. One rule holds for both:
//!
//! ```text
//! a shard is begun   when no parent of it is still to be read
//! and never          once a shard that came from it has been begun: it was before the start
//! ```
//!
//! So a shard that is no longer in the map stops nobody, and its position is dropped once all that
//! came from it is begun.

use std::collections::{BTreeMap, BTreeSet};

use crate::stream::checkpoint::Positions;
use crate::stream::hash_key::HashKeyRange;
use crate::stream::sequence_number::SequenceNumber;
use crate::stream::shard::{Shard, ShardId, ShardMap};

/// The shards that a consumer at `positions` begins now, each at its first number. It reads only
/// shards that own hash keys of `within`, and none yet that owns keys of `expiring`: the ranges of
/// shards that are no longer in the map and from which records may still come.
pub(super) fn to_begin<'a>(
    map: &'a ShardMap,
    positions: &Positions,
    within: HashKeyRange,
    expiring: &[HashKeyRange],
) -> Vec<&'a Shard> {
    let passed = passed(map, positions);
    let unread: BTreeMap<ShardId, &Shard> = map
        .iter()
        .filter(|shard| !positions.contains_key(&shard.id) && !passed.contains(&shard.id))
        .filter(|shard| shard.range.overlaps(&within))
        .map(|shard| (shard.id, shard))
        .collect();
    let is_to_be_read = |id: ShardId| match positions.get(&id) {
        Some(position) => !position.finished,
        None => unread.contains_key(&id),
    };
    let is_ready = |shard: &&Shard| {
        !shard.parents().any(is_to_be_read) && !expiring.iter().any(|range| range.overlaps(&shard.range))
    };
    unread.values().copied().filter(is_ready).collect()
}

/// The shards of the map from which a begun one came, over any number of generations.
pub(super) fn passed(map: &ShardMap, positions: &Positions) -> BTreeSet<ShardId> {
    let mut passed = BTreeSet::new();
    // A child's id is above its parents', so children come first.
    let shards: Vec<&Shard> = map.iter().collect();
    for shard in shards.into_iter().rev() {
        if positions.contains_key(&shard.id) || passed.contains(&shard.id) {
            passed.extend(shard.parents());
        }
    }
    passed
}

/// Whether a child of `shard` waits for its turn, for which `shard` has to be known as finished.
pub(super) fn is_waited_for(map: &ShardMap, positions: &Positions, shard: ShardId) -> bool {
    map.children(shard).any(|child| !positions.contains_key(&child.id))
}

/// A shard that expired before the consumer was done with it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Expired {
    pub(super) shard: ShardId,
    /// The first number that was not read.
    pub(super) next: SequenceNumber,
    /// Where it ended, if that was known before it expired.
    pub(super) end: Option<SequenceNumber>,
}

/// The numbers that a consumer at `positions` has missed that gives up `expired` and begins `begun`:
/// from the first on and below the second.
///
/// The rest of `expired` is counted exactly where its end or a child of it is known: a child begins
/// where its parents ended. Where shards came and went unread, nobody knows where each of them
/// began. Of their numbers, those count that lie above the ones counted before.
pub(super) fn missed(
    map: &ShardMap,
    positions: &Positions,
    expired: Option<Expired>,
    begun: &[&Shard],
) -> Option<(SequenceNumber, SequenceNumber)> {
    let is_gone = |id: ShardId| map.get(id).is_none();
    let start = match expired {
        Some(expired) => Some(expired.next),
        None => positions.iter().filter(|(id, _)| is_gone(**id)).map(|(_, position)| position.next).max(),
    }?;
    let is_unread = |parent| is_gone(parent) && !positions.contains_key(&parent);
    let from_unread = begun.iter().filter(|shard| shard.parents().any(is_unread));
    let mut ends: Vec<SequenceNumber> = from_unread.map(|shard| shard.first).collect();
    if let Some(Expired { shard, end, .. }) = expired {
        ends.extend(end.or_else(|| map.children(shard).map(|child| child.first).min()));
        if ends.is_empty() {
            // At least up to the next number that is known.
            ends.extend(map.iter().map(|shard| shard.first).filter(|first| start < *first).min());
        }
    }
    ends.into_iter().max().map(|end| (start, end))
}
