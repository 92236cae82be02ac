//! Shards and the shard map: a plain value that routes keys and knows the lineage. `reshard` changes
//! it.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::clock::Timestamp;
use crate::stream::hash_key::{HashKey, HashKeyRange};
use crate::stream::sequence_number::SequenceNumber;

/// A shard's number in its stream, given out in order of creation; printed `shardId-000000000007`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ShardId(pub u32);

impl fmt::Display for ShardId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "shardId-{:012}", self.0)
    }
}

/// Text that is not a shard id.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is not a shard id like `shardId-000000000000`")]
pub struct InvalidShardId {
    /// What was given.
    pub text: String,
}

impl FromStr for ShardId {
    type Err = InvalidShardId;

    fn from_str(text: &str) -> Result<Self, InvalidShardId> {
        let invalid = || InvalidShardId { text: text.to_owned() };
        let digits = text.strip_prefix("shardId-").ok_or_else(invalid)?;
        if digits.len() != 12 || !digits.bytes().all(|b| b.is_ascii_digit()) {
            return Err(invalid());
        }
        digits.parse().map(ShardId).map_err(|_| invalid())
    }
}

/// A log with a range of hash keys and a place in the lineage.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Shard {
    /// Its number.
    pub id: ShardId,
    /// The hash keys it owns, or owned while it was open.
    pub range: HashKeyRange,
    /// The shard it was split from, or the first of the two it was merged from.
    pub parent: Option<ShardId>,
    /// The second of the two it was merged from.
    pub adjacent_parent: Option<ShardId>,
    /// When it was created; in a later second than its parents, so that printed sequence numbers
    /// keep order.
    pub created_at: Timestamp,
    /// The first number its records can have.
    pub first: SequenceNumber,
    /// One past the last number its records can have, once it is closed.
    pub end: Option<SequenceNumber>,
    /// Numbers between `first` and `end` that no record has, in order and apart.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub skips: Vec<Skip>,
}

/// Numbers that no record has: those from `from` on and below `to`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Skip {
    /// The first of them.
    pub from: SequenceNumber,
    /// One past the last.
    pub to: SequenceNumber,
}

impl Shard {
    /// Whether it takes records.
    pub fn is_open(&self) -> bool {
        self.end.is_none()
    }

    /// The shards it came from.
    pub fn parents(&self) -> impl Iterator<Item = ShardId> {
        self.parent.into_iter().chain(self.adjacent_parent)
    }

    /// The lowest number from `number` on that a record of the shard can have.
    pub fn first_from(&self, number: SequenceNumber) -> SequenceNumber {
        behind_skip(&self.skips, number.max(self.first))
    }

    /// Whether the shard went past `number` without a record: another stream of the name, or a lost
    /// future of this one, may have had it.
    pub fn has_left_out(&self, number: SequenceNumber) -> bool {
        number < self.first || self.end.is_some_and(|end| end <= number) || behind_skip(&self.skips, number) != number
    }

    /// How many records have numbers from `from` on and below `to`, if all of these were given out.
    pub fn records_between(&self, from: SequenceNumber, to: SequenceNumber) -> u64 {
        let from = from.max(self.first);
        let skipped = |skip: &Skip| skip.to.min(to).0.saturating_sub(skip.from.max(from).0);
        to.0.saturating_sub(from.0).saturating_sub(self.skips.iter().map(skipped).sum())
    }
}

/// `number`, or where the skip ends that it is in.
pub fn behind_skip(skips: &[Skip], number: SequenceNumber) -> SequenceNumber {
    let after = skips.partition_point(|skip| skip.from <= number);
    skips[..after].last().map_or(number, |skip| number.max(skip.to))
}

/// A change of the shard map.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reshard {
    /// Cuts `shard` in two; the second child begins at `at`.
    Split {
        /// The open shard to cut.
        shard: ShardId,
        /// First hash key of the second child; strictly inside the shard's range.
        at: HashKey,
    },
    /// Joins two open neighbours.
    Merge {
        /// One of them.
        shard: ShardId,
        /// The other one.
        adjacent: ShardId,
    },
    /// Splits and merges until there are so many open shards, of equal width.
    Uniform {
        /// At least 1.
        shards: u32,
    },
}

/// The most shards of a stream, open and closed ones together: every change writes the map anew.
pub const SHARDS_MAX: usize = 100_000;
/// The most skips of a stream, all shards together. Numbers go on without another one then.
pub const SKIPS_MAX: usize = 100_000;
/// Skips of a shard that are kept below its oldest record: they only tell how many records expired.
const OLD_SKIPS_MAX: usize = 16;

/// Why a change of the shard map is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ReshardError {
    /// No such shard.
    #[error("{0} does not exist")]
    NotFound(ShardId),
    /// It takes no records any more.
    #[error("{0} is closed")]
    Closed(ShardId),
    /// The cut is not strictly inside the range.
    #[error("hash key {at} does not split {shard}: choose one above {} and up to {}", range.start, range.end)]
    SplitOutside {
        /// The shard.
        shard: ShardId,
        /// The cut that was asked for.
        at: HashKey,
        /// What the shard owns.
        range: HashKeyRange,
    },
    /// The two do not touch.
    #[error("{0} and {1} are not neighbours in the hash space")]
    NotAdjacent(ShardId, ShardId),
    /// More open and closed shards than a stream may have.
    #[error(
        "{0} shards, open and closed, exceed the limit of {SHARDS_MAX}; closed shards are removed when their records expire"
    )]
    TooMany(usize),
    /// The store's backend has no such change.
    #[error("{0}")]
    Unsupported(&'static str),
}

/// All shards of a stream, open and closed. The open ranges tile the hash space exactly.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(into = "Vec<Shard>", try_from = "Vec<Shard>")]
pub struct ShardMap {
    shards: BTreeMap<ShardId, Shard>,
    /// Open shards by the start of their range.
    open: Vec<(HashKey, ShardId)>,
}

impl ShardMap {
    /// `count` shards of equal width, created at `created_at`. Panics on zero.
    pub fn uniform(count: u32, created_at: Timestamp) -> Self {
        ShardMap::uniform_from(count, created_at, SequenceNumber::FIRST)
    }

    /// The same, whose records have numbers from `first` on.
    pub fn uniform_from(count: u32, created_at: Timestamp, first: SequenceNumber) -> Self {
        let shards = HashKeyRange::uniform(count).into_iter().enumerate().map(|(i, range)| Shard {
            id: ShardId(i as u32),
            range,
            parent: None,
            adjacent_parent: None,
            created_at,
            first,
            end: None,
            skips: Vec::new(),
        });
        ShardMap::new(shards.collect()).expect("uniform ranges tile the hash space")
    }

    fn new(shards: Vec<Shard>) -> Result<Self, NotTiled> {
        let shards: BTreeMap<_, _> = shards.into_iter().map(|shard| (shard.id, shard)).collect();
        let mut open: Vec<&Shard> = shards.values().filter(|shard| shard.is_open()).collect();
        open.sort_by_key(|shard| shard.range.start);
        let ends_fit = open.first().is_some_and(|s| s.range.start == HashKey::MIN)
            && open.last().is_some_and(|s| s.range.end == HashKey::MAX);
        if !ends_fit || !open.windows(2).all(|pair| pair[0].range.is_just_before(&pair[1].range)) {
            return Err(NotTiled);
        }
        let open = open.into_iter().map(|shard| (shard.range.start, shard.id)).collect();
        Ok(ShardMap { shards, open })
    }

    /// The open shard that owns `key`.
    pub fn route(&self, key: HashKey) -> ShardId {
        let after = self.open.partition_point(|(start, _)| *start <= key);
        self.open[after - 1].1
    }

    /// The shard of that id, open or closed.
    pub fn get(&self, id: ShardId) -> Option<&Shard> {
        self.shards.get(&id)
    }

    /// All shards in order of creation.
    pub fn iter(&self) -> impl Iterator<Item = &Shard> {
        self.shards.values()
    }

    /// Open shards in order of their ranges.
    pub fn open(&self) -> impl Iterator<Item = &Shard> {
        self.open.iter().map(|(_, id)| &self.shards[id])
    }

    /// How many shards are open.
    pub fn open_count(&self) -> usize {
        self.open.len()
    }

    /// The shards that came from `id`.
    pub fn children(&self, id: ShardId) -> impl Iterator<Item = &Shard> {
        self.shards.values().filter(move |shard| shard.parents().any(|parent| parent == id))
    }

    /// The shards that a reader of everything begins with: those none of whose parents is still in
    /// the map.
    pub fn roots(&self) -> impl Iterator<Item = &Shard> {
        self.shards.values().filter(|shard| !shard.parents().any(|parent| self.shards.contains_key(&parent)))
    }

    /// The map with a closed shard that has ended sooner than it could have.
    ///
    /// # Panics
    ///
    /// Where the shard is open, or ended sooner still.
    #[must_use]
    pub fn with_end(&self, id: ShardId, end: SequenceNumber) -> ShardMap {
        let mut map = self.clone();
        if let Some(shard) = map.shards.get_mut(&id) {
            assert!(shard.end.is_some_and(|before| end <= before), "{id} has not ended at {end} or after");
            shard.end = Some(end);
        }
        map
    }

    /// The map whose open shards go on at `at` or where they are, whichever is later. `held` gives the
    /// number of the oldest record that a shard has, or its next number, and the next number.
    #[must_use]
    pub fn resumed(&self, at: SequenceNumber, held: impl Fn(ShardId) -> (SequenceNumber, SequenceNumber)) -> ShardMap {
        let mut map = self.clone();
        for shard in map.shards.values_mut() {
            let (oldest, _) = held(shard.id);
            let old = shard.skips.partition_point(|skip| skip.to <= oldest);
            shard.skips.drain(..old.saturating_sub(OLD_SKIPS_MAX));
        }
        let mut room = SKIPS_MAX.saturating_sub(map.shards.values().map(|shard| shard.skips.len()).sum());
        for shard in map.shards.values_mut().filter(|shard| shard.is_open()) {
            let (_, next) = held(shard.id);
            match shard.skips.last_mut() {
                Some(last) if last.to == next => last.to = last.to.max(at),
                _ if next < at && room > 0 => {
                    shard.skips.push(Skip { from: next, to: at });
                    room -= 1;
                }
                _ => {}
            }
        }
        map
    }

    /// The map without shards that were closed before `horizon`: all their records are older.
    #[must_use]
    pub fn without_closed_before(&self, horizon: Timestamp) -> ShardMap {
        let mut closed_at: BTreeMap<ShardId, Timestamp> = BTreeMap::new();
        for child in self.shards.values() {
            for parent in child.parents() {
                closed_at.entry(parent).and_modify(|at| *at = child.created_at.min(*at)).or_insert(child.created_at);
            }
        }
        let is_kept = |shard: &&Shard| {
            // Children go after their parents: who has none any more is older than they were.
            shard.is_open() || closed_at.get(&shard.id).is_some_and(|at| horizon <= *at)
        };
        ShardMap::new(self.shards.values().filter(is_kept).cloned().collect()).expect("open shards stay")
    }
}

impl From<ShardMap> for Vec<Shard> {
    fn from(map: ShardMap) -> Self {
        map.shards.into_values().collect()
    }
}

/// Open ranges that leave a gap or overlap.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the ranges of the open shards do not tile the hash space")]
pub struct NotTiled;

impl TryFrom<Vec<Shard>> for ShardMap {
    type Error = NotTiled;
    fn try_from(shards: Vec<Shard>) -> Result<Self, NotTiled> {
        ShardMap::new(shards)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const NOW: Timestamp = Timestamp::from_millis(1_600_000_000_000);

    #[test]
    fn shard_ids_print_and_parse() {
        assert_eq!(ShardId(7).to_string(), "shardId-000000000007");
        assert_eq!("shardId-000000000007".parse(), Ok(ShardId(7)));
        for bad in ["", "7", "shardId-7", "shardId-00000000000x", "shardId-999999999999"] {
            assert!(bad.parse::<ShardId>().is_err(), "{bad}");
        }
    }

    #[test]
    fn a_split_closes_the_parent_and_keeps_order() {
        let map = ShardMap::uniform(1, NOW);
        let at = HashKey(1 << 127);
        let map = map.resharded(Reshard::Split { shard: ShardId(0), at }, NOW, |_| SequenceNumber(10)).expect("inside");
        assert_eq!(map.get(ShardId(0)).expect("kept").end, Some(SequenceNumber(10)));
        assert_eq!(map.children(ShardId(0)).map(|s| s.id).collect::<Vec<_>>(), [ShardId(1), ShardId(2)]);
        assert!(
            map.open().all(|child| child.first == SequenceNumber(10) && child.created_at.as_secs() > NOW.as_secs())
        );
        assert_eq!((map.route(HashKey(at.0 - 1)), map.route(at)), (ShardId(1), ShardId(2)));
    }

    #[test]
    fn impossible_changes_are_refused_by_name() {
        let map = ShardMap::uniform(4, NOW);
        let refuse = |change| map.resharded(change, NOW, |_| SequenceNumber::FIRST).expect_err("refused");
        let range = map.get(ShardId(1)).expect("there").range;
        assert_eq!(
            refuse(Reshard::Merge { shard: ShardId(0), adjacent: ShardId(2) }),
            ReshardError::NotAdjacent(ShardId(0), ShardId(2))
        );
        assert_eq!(refuse(Reshard::Split { shard: ShardId(9), at: HashKey(1) }), ReshardError::NotFound(ShardId(9)));
        assert_eq!(
            refuse(Reshard::Split { shard: ShardId(1), at: range.start }),
            ReshardError::SplitOutside { shard: ShardId(1), at: range.start, range }
        );
    }

    /// Uniform maps have exactly the ranges they should, whatever was before.
    fn check_uniform(mut map: ShardMap, counts: &[u32]) -> ShardMap {
        for count in counts {
            let change = Reshard::Uniform { shards: *count };
            map = map.resharded(change, NOW, |_| SequenceNumber(5)).expect("any number of shards");
            let ranges: Vec<_> = map.open().map(|shard| shard.range).collect();
            assert_eq!(ranges, HashKeyRange::uniform(*count), "{counts:?}");
        }
        map
    }

    #[test]
    fn shards_of_equal_width_come_by_splits_and_merges() {
        let doubled = check_uniform(ShardMap::uniform(2, NOW), &[4]);
        assert_eq!(doubled.iter().count(), 6, "one split each");
        let halved = check_uniform(ShardMap::uniform(4, NOW), &[2]);
        assert_eq!(halved.iter().count(), 6, "one merge each");
        assert_eq!(check_uniform(ShardMap::uniform(3, NOW), &[3]), ShardMap::uniform(3, NOW), "nothing to do");
        check_uniform(ShardMap::uniform(1, NOW), &[7, 3, 5, 10, 1, 2, 64, 33]);
        let large = check_uniform(ShardMap::uniform(5000, NOW), &[10_000, 7001]);
        let newest = large.open().map(|shard| shard.created_at.since(NOW)).max().expect("open shards");
        assert!(newest.as_secs() < 10, "few generations: {newest:?}");
    }

    #[test]
    fn closed_shards_go_when_they_were_closed_before_the_horizon() {
        let map = check_uniform(ShardMap::uniform(1, NOW), &[2, 1]);
        let created = |id| map.get(ShardId(id)).expect("there").created_at;
        let kept = |horizon| map.without_closed_before(horizon).iter().map(|shard| shard.id.0).collect::<Vec<_>>();
        assert_eq!(kept(created(1)), [0, 1, 2, 3], "closed at the horizon, not before it");
        assert_eq!(kept(created(3)), [1, 2, 3]);
        assert_eq!(kept(Timestamp::MAX), [3]);
    }

    proptest! {
        /// Whatever is split and merged, every key has exactly one open shard, and the lineage
        /// never skips a number.
        #[test]
        fn random_reshards_tile_the_space(shards in 1u32..5, steps in prop::collection::vec((any::<u128>(), 0u32..9), 0..20), keys in prop::collection::vec(any::<u128>(), 20)) {
            let mut map = ShardMap::uniform(shards, NOW);
            let mut number = 0;
            for (key, kind) in steps {
                number += 5;
                let shard = map.route(HashKey(key));
                let end = map.get(shard).expect("routed").range.end;
                let change = match kind {
                    0..4 => Reshard::Split { shard, at: HashKey(key) },
                    4..7 => Reshard::Merge { shard, adjacent: map.route(HashKey(end.0.wrapping_add(1))) },
                    _ => Reshard::Uniform { shards: (key % 9 + 1) as u32 },
                };
                if let Ok(next) = map.resharded(change, NOW, |_| SequenceNumber(number)) {
                    map = next;
                }
            }
            for key in keys.into_iter().map(HashKey) {
                let owners: Vec<_> = map.open().filter(|shard| shard.range.contains(key)).map(|shard| shard.id).collect();
                prop_assert_eq!(owners, vec![map.route(key)]);
            }
            for child in map.iter() {
                for parent in child.parents().filter_map(|id| map.get(id)) {
                    prop_assert!(parent.end.expect("a parent is closed") <= child.first);
                    prop_assert!(parent.created_at.as_secs() < child.created_at.as_secs());
                }
            }
        }
    }
}
