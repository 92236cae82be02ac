//! Changes of a shard map, computed on values: which shards close and which open.

use std::collections::BTreeMap;

use crate::clock::Timestamp;
use crate::stream::hash_key::{HashKey, HashKeyRange};
use crate::stream::sequence_number::SequenceNumber;
use crate::stream::shard::{Reshard, ReshardError, SHARDS_MAX, Shard, ShardId, ShardMap};

impl ShardMap {
    /// The map after `change`. `next` gives the number that would come next in a shard; children
    /// begin there.
    pub fn resharded(
        &self,
        change: Reshard,
        now: Timestamp,
        next: impl Fn(ShardId) -> SequenceNumber,
    ) -> Result<ShardMap, ReshardError> {
        let shards = self.iter().map(|shard| (shard.id, shard.clone())).collect();
        let shards = Draft::new(shards, now, next).apply(change)?;
        Ok(ShardMap::try_from(Vec::from_iter(shards.into_values())).expect("a reshard keeps the hash space tiled"))
    }
}

/// Shards while they are being changed.
struct Draft<F> {
    shards: BTreeMap<ShardId, Shard>,
    /// Shards that were there before, and take part in the change at their next number.
    before: ShardId,
    now: Timestamp,
    next: F,
}

impl<F: Fn(ShardId) -> SequenceNumber> Draft<F> {
    /// Begins with `shards`, at least one. `next` gives the number that would come next in a shard.
    fn new(shards: BTreeMap<ShardId, Shard>, now: Timestamp, next: F) -> Self {
        let before = *shards.keys().next_back().expect("a map is never empty");
        Draft { shards, before, now, next }
    }

    /// The shards after `change`.
    fn apply(mut self, change: Reshard) -> Result<BTreeMap<ShardId, Shard>, ReshardError> {
        match change {
            Reshard::Split { shard, at } => self.split(shard, at).map(drop)?,
            Reshard::Merge { shard, adjacent } => self.merge(shard, adjacent).map(drop)?,
            Reshard::Uniform { shards } => self.uniform(shards)?,
        }
        if self.shards.len() > SHARDS_MAX {
            return Err(ReshardError::TooMany(self.shards.len()));
        }
        Ok(self.shards)
    }

    fn open(&self, id: ShardId) -> Result<&Shard, ReshardError> {
        match self.shards.get(&id) {
            None => Err(ReshardError::NotFound(id)),
            Some(shard) if !shard.is_open() => Err(ReshardError::Closed(id)),
            Some(shard) => Ok(shard),
        }
    }

    fn split(&mut self, shard: ShardId, at: HashKey) -> Result<[ShardId; 2], ReshardError> {
        let range = self.open(shard)?.range;
        if at <= range.start || range.end < at {
            return Err(ReshardError::SplitOutside { shard, at, range });
        }
        let below = HashKeyRange { start: range.start, end: HashKey(at.0 - 1) };
        let above = HashKeyRange { start: at, end: range.end };
        let first = self.child(shard, None, below);
        Ok([first, self.child(shard, None, above)])
    }

    fn merge(&mut self, shard: ShardId, adjacent: ShardId) -> Result<ShardId, ReshardError> {
        let (one, other) = (self.open(shard)?.range, self.open(adjacent)?.range);
        let (low, high) = if one.start <= other.start { (one, other) } else { (other, one) };
        if !low.is_just_before(&high) {
            return Err(ReshardError::NotAdjacent(shard, adjacent));
        }
        Ok(self.child(shard, Some(adjacent), HashKeyRange { start: low.start, end: high.end }))
    }

    /// Cuts at every new border that is not one yet, then joins what lies between two new borders.
    /// Both by halves, so that few generations come into being: each is created in a later second
    /// than the one before.
    fn uniform(&mut self, shards: u32) -> Result<(), ReshardError> {
        let targets = HashKeyRange::uniform(shards.max(1));
        let mut open: Vec<(HashKeyRange, ShardId)> =
            self.shards.values().filter(|shard| shard.is_open()).map(|shard| (shard.range, shard.id)).collect();
        open.sort_unstable_by_key(|(range, _)| range.start);
        let mut pieces = Vec::with_capacity(open.len() + targets.len());
        for (range, id) in open {
            let after = |key| targets.partition_point(|target| target.start <= key);
            let inside = &targets[after(range.start)..after(range.end)];
            self.cut(id, inside, &mut pieces)?;
        }
        let mut pieces = &pieces[..];
        for target in targets {
            let inside = pieces.partition_point(|(start, _)| *start <= target.end);
            self.join(&pieces[..inside])?;
            pieces = &pieces[inside..];
        }
        Ok(())
    }

    /// Cuts `shard` where each of `borders` begins; the pieces go to `pieces` in order of their
    /// ranges.
    fn cut(
        &mut self,
        shard: ShardId,
        borders: &[HashKeyRange],
        pieces: &mut Vec<(HashKey, ShardId)>,
    ) -> Result<(), ReshardError> {
        if borders.is_empty() {
            pieces.push((self.open(shard)?.range.start, shard));
            return Ok(());
        }
        let middle = borders.len() / 2;
        let [below, above] = self.split(shard, borders[middle].start)?;
        self.cut(below, &borders[..middle], pieces)?;
        self.cut(above, &borders[middle + 1..], pieces)
    }

    fn join(&mut self, pieces: &[(HashKey, ShardId)]) -> Result<ShardId, ReshardError> {
        if let [(_, shard)] = pieces {
            return Ok(*shard);
        }
        let (below, above) = pieces.split_at(pieces.len() / 2);
        let (below, above) = (self.join(below)?, self.join(above)?);
        self.merge(below, above)
    }

    /// Closes the parents and opens a child that goes on above them, in a later second.
    fn child(&mut self, parent: ShardId, adjacent: Option<ShardId>, range: HashKeyRange) -> ShardId {
        let (mut first, mut created_at) = (SequenceNumber::FIRST, self.now);
        for id in [Some(parent), adjacent].into_iter().flatten() {
            let shard = self.shards.get_mut(&id).expect("the caller has found it");
            let end = if id <= self.before { (self.next)(id) } else { shard.first };
            shard.end = Some(end);
            first = first.max(end);
            created_at = created_at.max(Timestamp::from_millis((shard.created_at.as_secs() + 1) * 1000));
        }
        let id = ShardId(self.shards.keys().next_back().expect("a map is never empty").0 + 1);
        let shard = Shard {
            id,
            range,
            parent: Some(parent),
            adjacent_parent: adjacent,
            created_at,
            first,
            end: None,
            skips: Vec::new(),
        };
        self.shards.insert(id, shard);
        id
    }
}
