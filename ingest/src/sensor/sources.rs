//! What is known of each source that has sent something.

use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use model::datagram::header::SourceId;
use serde::Serialize;

use super::id_hash::IdHash;
use super::replay_window::{ReplayWindow, SequenceTally};
use model::token_bucket::TokenBucket;

/// Sources that are remembered at a time, over all ports.
pub const SOURCES_MAX: usize = 65_536;

/// Sources to a lock, if all numbers in use follow each other. So few have the same that pollers seldom meet.
const SOURCES_PER_SHARD: usize = 16;

/// All sources of all ports. A source that moves from one receive queue to another is still the same, so that what was
/// seen at one cannot be replayed at the other.
#[derive(Debug)]
pub struct SourceTable {
    shards: Box<[Shard]>,
    count: AtomicUsize,
    sources_max: usize,
}

/// On cache lines of its own.
#[repr(align(128))]
#[derive(Debug)]
struct Shard(Mutex<HashMap<u64, Source, IdHash>>);

/// What is known of one.
#[derive(Debug, Default)]
pub(super) struct Source {
    pub(super) bucket: TokenBucket,
    /// None until a datagram of it was accepted.
    pub(super) window: Option<ReplayWindow>,
    pub(super) sequence: SequenceTally,
    pub(super) tag_wrong: u64,
    pub(super) rate_limited: u64,
    pub(super) seen_at_nanos: u64,
}

/// One source, for people.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct SourceReport {
    /// The port it sends to.
    pub port: u16,
    /// Its number.
    pub source_id: u32,
    /// How often it has started, by its own count.
    pub epoch: u16,
    /// The sequence number after the highest seen.
    pub next: u64,
    /// How its datagrams came.
    #[serde(flatten)]
    pub sequence: SequenceTally,
    /// Datagrams under its name without the right tag.
    pub tag_wrong: u64,
    /// Datagrams that came faster than it may send.
    pub rate_limited: u64,
    /// When the last datagram under its name came, nanoseconds since 1970.
    pub seen_at_nanos: u64,
}

impl SourceTable {
    /// Room for so many sources.
    pub fn new(sources_max: usize) -> Self {
        let count = sources_max.div_ceil(SOURCES_PER_SHARD).next_power_of_two();
        let hash = IdHash::default();
        let shards = (0..count).map(|_| Shard(Mutex::new(HashMap::with_hasher(hash.clone())))).collect();
        SourceTable { shards, count: AtomicUsize::new(0), sources_max }
    }

    /// Lets `visit` at a source, which becomes known by it; none if there is no room for another.
    pub(super) fn with<T>(&self, port: u16, id: SourceId, visit: impl FnOnce(&mut Source) -> T) -> Option<T> {
        let mut shard = self.lock(id.0 as usize & (self.shards.len() - 1));
        let key = u64::from(port) << 32 | u64::from(id.0);
        if let Some(source) = shard.get_mut(&key) {
            return Some(visit(source));
        }
        let room = |count: usize| (count < self.sources_max).then_some(count + 1);
        self.count.fetch_update(Ordering::Relaxed, Ordering::Relaxed, room).ok()?;
        Some(visit(shard.entry(key).or_default()))
    }

    /// Forgets all sources of a port.
    pub fn forget(&self, port: u16) {
        for shard in 0..self.shards.len() {
            let mut shard = self.lock(shard);
            let before = shard.len();
            shard.retain(|key, _| key >> 32 != u64::from(port));
            self.count.fetch_sub(before - shard.len(), Ordering::Relaxed);
        }
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.count.load(Ordering::Relaxed)
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Up to `limit` sources, of one port or of all, with the lowest numbers after `after`, in the order of their numbers.
    pub fn list(&self, port: Option<u16>, after: Option<SourceId>, limit: usize) -> Vec<SourceReport> {
        let mut reports = Vec::new();
        for shard in 0..self.shards.len() {
            let shard = self.lock(shard);
            let chosen = shard.iter().filter(|(key, _)| {
                port.is_none_or(|port| *key >> 32 == u64::from(port))
                    && after.is_none_or(|after| **key as u32 > after.0)
            });
            reports.extend(chosen.map(|(key, source)| source.report((key >> 32) as u16, *key as u32)));
        }
        reports.sort_by_key(|report| (report.source_id, report.port));
        reports.truncate(limit);
        reports
    }

    fn lock(&self, shard: usize) -> MutexGuard<'_, HashMap<u64, Source, IdHash>> {
        self.shards[shard].0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Source {
    fn report(&self, port: u16, source_id: u32) -> SourceReport {
        SourceReport {
            port,
            source_id,
            epoch: self.window.map_or(0, |window| window.epoch()),
            next: self.window.map_or(0, |window| window.next()),
            sequence: self.sequence,
            tag_wrong: self.tag_wrong,
            rate_limited: self.rate_limited,
            seen_at_nanos: self.seen_at_nanos,
        }
    }
}
