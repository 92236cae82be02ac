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

/// The shards of the map that a consumer at `positions` has not begun and will begin. It reads only
/// shards that own hash keys of `within`.
pub(super) fn unread<'a>(
    map: &'a ShardMap,
    positions: &Positions,
    within: HashKeyRange,
) -> BTreeMap<ShardId, &'a Shard> {
    let passed = passed(map, positions);
    map.iter()
        .filter(|shard| !positions.contains_key(&shard.id) && !passed.contains(&shard.id))
        .filter(|shard| shard.range.overlaps(&within))
        .map(|shard| (shard.id, shard))
        .collect()
}

/// Those of [`unread`] that it begins now, each at its first number; none yet that owns keys of
/// `expiring`: the ranges of shards that are no longer in the map and from which records may still
/// come.
pub(super) fn to_begin<'a>(
    map: &'a ShardMap,
    positions: &Positions,
    within: HashKeyRange,
    expiring: &[HashKeyRange],
) -> Vec<&'a Shard> {
    let unread = unread(map, positions, within);
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

/// Up to where the numbers of `shard`, which expired when a consumer was at `next` in it, are known
/// to be its own: to its end, if that was `known` before it expired, or to where a child begins; at
/// least to the next number that the map knows.
pub(super) fn end_of_expired(
    map: &ShardMap,
    known: Option<&Shard>,
    shard: ShardId,
    next: SequenceNumber,
) -> SequenceNumber {
    let firsts = || map.iter().map(|shard| shard.first).filter(|first| next < *first);
    let end = known.and_then(|known| known.end);
    let end = end.or_else(|| map.children(shard).map(|child| child.first).min()).or_else(|| firsts().min());
    end.map_or(next, |end| end.max(next))
}

/// The numbers of shards that came and went unread before those that are `begun`: from the first on
/// and below the second.
///
/// Nobody knows where each of these shards began: at or above the positions in the shards from which
/// it came, which are no longer in the map. Those positions go up to where they are counted, so that
/// nothing counts twice. `owned` tells the hash keys of their shards.
pub(super) fn came_and_went(
    map: &ShardMap,
    positions: &mut Positions,
    owned: impl Fn(ShardId) -> HashKeyRange,
    begun: &[&Shard],
) -> Vec<(SequenceNumber, SequenceNumber)> {
    let mut ranges = Vec::new();
    for shard in begun {
        let is_unread = |parent| map.get(parent).is_none() && !positions.contains_key(&parent);
        if !shard.parents().any(is_unread) {
            continue;
        }
        let before = positions.iter_mut().filter(|(id, position)| {
            map.get(**id).is_none() && position.next < shard.first && owned(**id).overlaps(&shard.range)
        });
        let mut lowest = shard.first;
        for (_, position) in before {
            lowest = lowest.min(position.next);
            position.next = shard.first;
        }
        ranges.push((lowest, shard.first));
    }
    ranges
}
