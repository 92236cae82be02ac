//! Opening a stream's folder: what is whole is kept, what was never acknowledged is cut, and damage is refused.
//!
//! **What a power cut can do.** The writer writes one group of frames at a time and syncs it before it writes the
//! next; records are acknowledged and shown to readers only after that sync. So at any moment at most one group is not
//! durable, and it is the last one. A crash can leave any part of it: a prefix, or any of its sectors.
//!
//! **What follows for a frame that does not verify,** at offset `bad` of the last segment:
//! - A valid frame of a group begun after `bad` proves that `bad` was synced: the bytes were right once. *Damage.*
//! - `bad` lies below the durable mark of the manifest (written at every opening, reshard, change of settings, trim and
//!   clean close): *damage.*
//! - Otherwise it may be the group that was being written, which nobody was told about: it is *cut*, from `bad` on.
//!   After a crash, and only then, a bit that rots inside the very last group looks the same; no log without a second
//!   copy can tell them apart. After a clean close the mark stands at the end and nothing can be cut.
//!
//! **Segments.** A new segment's first group (head and newest checkpoints) and its name are synced before it is used.
//! So a last segment whose first group is not whole was never used and is removed; all segments before the last are
//! sealed: the head of the next one says how long they are, and any bad frame in them is damage, found when it is read.
//! Their records are found by the index saved beside them, so that opening reads only the last segment as a whole.
//!
//! **Everything that is kept is made durable before it is shown:** after a killed process the last group may be whole
//! in the page cache only, so recovery syncs it, and then moves the mark. Recovering twice gives the same.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use model::name::ConsumerName;
use model::stream::checkpoint::Checkpoint;
use model::stream::sequence_number::SequenceNumber;
use model::stream::shard::ShardId;
use tracing::{info, warn};

use crate::log::error::LogError;
use crate::log::files::file::{Disk, LogFile};
use crate::log::frames::key::{KeyRing, StreamKeys};
use crate::log::frames::place::Place;
use crate::log::segments::index::SegmentIndex;
use crate::log::segments::manifest::{Manifest, Synced};
use crate::log::segments::segment::{self, Scan, Segment, log_name};

/// A stream as it was found.
#[derive(Debug)]
pub struct Recovered {
    /// With the durable mark at the end of the log.
    pub manifest: Manifest,
    /// At least one, oldest first; the last is the one to write to.
    pub segments: Vec<Segment>,
    /// The last segment's file.
    pub file: Arc<dyn LogFile>,
    /// The newest checkpoint of every consumer.
    pub checkpoints: BTreeMap<ConsumerName, Checkpoint>,
    /// Bytes of the last segment's first group, which do not count towards its size.
    pub head_bytes: u64,
    /// The next number of every shard.
    pub next: BTreeMap<ShardId, SequenceNumber>,
    /// What its frames may be encrypted with.
    pub keys: Arc<StreamKeys>,
}

/// Opens the stream in `folder`. A key that is missing or wrong is told before anything else, and nothing is changed.
pub fn recover(disk: &dyn Disk, folder: &Path, ring: &KeyRing) -> Result<Recovered, LogError> {
    let mut manifest = Manifest::load(disk, folder)?;
    let keys = Arc::new(StreamKeys::unlock(&manifest.keys, ring)?);
    let mut ids = list_segments(disk, folder, &manifest)?;
    let (scan, file) = recover_last(disk, folder, &manifest, &keys, &mut ids)?;
    let last = *ids.last().expect("the last segment was recovered");
    file.sync().map_err(LogError::io(format!("syncing {}", log_name(last))))?;
    disk.sync_folder(folder).map_err(LogError::io("syncing the stream's folder"))?;

    let mut segments = Vec::new();
    for (id, after) in ids.iter().zip(ids.iter().skip(1)) {
        let index = sealed_index(disk, folder, &manifest, &keys, (*id, *after))?;
        segments.push(Segment { id: *id, index });
    }
    let head_bytes = scan.head_bytes;
    let next = next_numbers(&manifest, &scan);
    let floor = manifest.synced.floor.max(segment::last_stamp(&scan.index));
    segments.push(Segment { id: last, index: scan.index });
    let synced = Synced { segment: last, length: segments.last().map_or(0, |s| s.index.length), floor };
    if synced != manifest.synced {
        manifest.synced = synced;
        match manifest.save(disk, folder) {
            // The mark on the disk stays where it was: a later crash may be told less, reading goes on.
            Err(LogError::Full { doing }) => warn!(doing, "durable mark not moved: the disk is full"),
            saved => saved?,
        }
    }
    Ok(Recovered { manifest, segments, file, checkpoints: scan.checkpoints, head_bytes, next, keys })
}

/// Numbers of the segments that belong to the log, without a gap. Removes what earlier lives left behind.
fn list_segments(disk: &dyn Disk, folder: &Path, manifest: &Manifest) -> Result<Vec<u64>, LogError> {
    let names = disk.list(folder).map_err(LogError::io("listing the stream's folder"))?;
    let mut ids = Vec::new();
    for name in names {
        let dropped = match segment::segment_of(&name) {
            Some((id, _)) if id < manifest.oldest_segment => true,
            Some((id, kind)) => {
                if kind == "log" {
                    ids.push(id);
                }
                false
            }
            None => name.ends_with("~new"),
        };
        if dropped {
            disk.remove(&folder.join(&name)).map_err(LogError::io(format!("removing {name}")))?;
        }
    }
    ids.sort_unstable();
    let last_known = manifest.synced.segment.max(ids.last().copied().unwrap_or(0));
    match (manifest.oldest_segment..=last_known).find(|id| ids.binary_search(id).is_err()) {
        Some(missing) => Err(LogError::damaged(log_name(missing), 0, "the file is missing")),
        None => Ok(ids),
    }
}

/// Finds the end of the log and cuts what was being written. Leaves the number of the last segment at the end of `ids`.
fn recover_last(
    disk: &dyn Disk,
    folder: &Path,
    manifest: &Manifest,
    keys: &StreamKeys,
    ids: &mut Vec<u64>,
) -> Result<(Scan, Arc<dyn LogFile>), LogError> {
    loop {
        let id = *ids.last().ok_or_else(|| LogError::damaged(log_name(manifest.oldest_segment), 0, "no segment"))?;
        let (name, place) = (log_name(id), Place { incarnation: manifest.incarnation, segment: id });
        let bytes = segment::read_segment(disk, folder, id)?;
        let scan = segment::scan(&bytes, place, keys);
        let durable = if id == manifest.synced.segment { manifest.synced.length } else { 0 };
        let end = scan.index.length;
        let reason = scan.bad.unwrap_or("the file is shorter than it was");
        if end < durable {
            return Err(LogError::damaged(name, end, reason));
        }
        let whole = scan.head_is_whole();
        if (scan.bad.is_some() || !whole)
            && let Some(later) = segment::later_group(&bytes, place, end)
        {
            return Err(LogError::damaged(name, end, format!("{reason}, and a later write is at {later}")));
        }
        if !whole {
            if id <= manifest.synced.segment || ids.len() == 1 {
                return Err(LogError::damaged(name, end, "the head of the segment is not whole"));
            }
            info!(segment = %name, "segment was never used, removed");
            disk.remove(&folder.join(&name)).map_err(LogError::io(format!("removing {name}")))?;
            ids.pop();
            continue;
        }
        let file = disk.open(&folder.join(&name)).map_err(LogError::io(format!("opening {name}")))?;
        if scan.bad.is_some() {
            warn!(segment = %name, offset = end, bytes = bytes.len() as u64 - end, reason, "unfinished write removed");
            file.truncate(end).map_err(LogError::io(format!("cutting {name}")))?;
        }
        return Ok((scan, file));
    }
}

/// The index of a sealed segment: the saved one if it is right, else a new one from the frames.
fn sealed_index(
    disk: &dyn Disk,
    folder: &Path,
    manifest: &Manifest,
    keys: &StreamKeys,
    (id, after): (u64, u64),
) -> Result<SegmentIndex, LogError> {
    let (name, after_name) = (log_name(id), log_name(after));
    let place = Place { incarnation: manifest.incarnation, segment: id };
    let open = |name: &str| disk.open(&folder.join(name)).map_err(LogError::io(format!("opening {name}")));
    let head = segment::read_head(&*open(&after_name)?, Place { segment: after, ..place })?;
    let length = open(&name)?.len().map_err(LogError::io(format!("asking the length of {name}")))?;
    if length != head.before_bytes {
        let reason = format!("the file has {length} bytes, {after_name} says {}", head.before_bytes);
        return Err(LogError::damaged(name, length.min(head.before_bytes), reason));
    }
    if let Some(index) = segment::load_index(disk, folder, place)
        && index.length == length
    {
        return Ok(index);
    }
    let scan = segment::scan(&segment::read_segment(disk, folder, id)?, place, keys);
    if let Some(reason) = scan.bad {
        return Err(LogError::damaged(name, scan.index.length, reason));
    }
    if let Err(error) = segment::save_index(disk, folder, place, &scan.index) {
        warn!(segment = %name, %error, "index not saved, it will be rebuilt");
    }
    Ok(scan.index)
}

fn next_numbers(manifest: &Manifest, scan: &Scan) -> BTreeMap<ShardId, SequenceNumber> {
    let at_head: BTreeMap<_, _> = scan.head.iter().flat_map(|head| head.next.iter().copied()).collect();
    let next_of = |shard: ShardId, first: SequenceNumber| {
        let found = scan.index.shards.get(&shard).map(|index| index.next);
        found.max(at_head.get(&shard).copied()).unwrap_or(first).max(first)
    };
    manifest.shards.iter().map(|shard| (shard.id, next_of(shard.id, shard.first))).collect()
}
