//! What a stream's folder holds, found out without changing a byte: which segments belong to the
//! log, where the log ends, and what has to go. [`crate::log::segments::recovery`] says by which
//! rules, and does what is decided here.

use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;
use model::clock::Timestamp;
use tracing::warn;

use crate::log::error::{LogError, Reason};
use crate::log::frames::key::{KeyRing, StreamKeys};
use crate::log::frames::place::Place;
use crate::log::segments::index::SegmentIndex;
use crate::log::segments::manifest::{Loaded, Manifest};
use crate::log::segments::segment::{self, Scan, Segment, log_name};
use model::disk::Disk;

/// A folder as it was found.
#[derive(Debug)]
pub(crate) struct Survey {
    pub(crate) manifest: Manifest,
    pub(crate) keys: Arc<StreamKeys>,
    /// No later record is stamped below this.
    pub(crate) floor: Timestamp,
    /// The sealed segments, oldest first.
    pub(crate) sealed: Vec<Segment>,
    pub(crate) last: Last,
    /// Segments behind the last one that were created and never used.
    pub(crate) unused: Vec<u64>,
    /// Files of dropped segments, and small files that never came into their place.
    pub(crate) leftovers: Vec<String>,
}

/// The segment to write to.
#[derive(Debug)]
pub(crate) struct Last {
    pub(crate) id: u64,
    pub(crate) bytes: Bytes,
    /// Its valid frames, up to where the log ends.
    pub(crate) scan: Scan,
}

impl Survey {
    /// Looks at the stream in `folder`. A key that is missing or wrong is reported before anything
    /// else.
    pub(crate) fn of(disk: &dyn Disk, folder: &Path, ring: &KeyRing) -> Result<Survey, LogError> {
        let Loaded { manifest, wrong } = Loaded::of(disk, folder)?;
        for (file, reason) in wrong {
            // A folder of an earlier version has no copy.
            if manifest.revision > 0 {
                warn!(stream = %manifest.name, file, reason, "a manifest is lost or damaged; the other one is used");
            }
        }
        let keys = Arc::new(StreamKeys::unlock(&manifest.keys, ring)?);
        let (mut ids, leftovers) = list_segments(disk, folder, &manifest)?;
        let (mut floor, mut unused) = (manifest.synced.floor, Vec::new());
        let last = loop {
            let id =
                *ids.last().ok_or_else(|| LogError::damaged(log_name(manifest.oldest_segment), 0, "no segment"))?;
            let (last, is_used) = find_end(disk, folder, &manifest, &keys, id, ids.len() == 1)?;
            floor = floor.max(segment::last_stamp(&last.scan.index));
            if is_used {
                break last;
            }
            unused.extend(ids.pop());
        };
        let mut sealed = Vec::new();
        for (id, after) in ids.iter().zip(ids.iter().skip(1)) {
            let index = sealed_index(disk, folder, &manifest, &keys, (*id, *after))?;
            sealed.push(Segment { id: *id, index });
        }
        Ok(Survey { manifest, keys, floor, sealed, last, unused, leftovers })
    }
}

/// Numbers of the segments that belong to the log, without a gap, and what earlier lives left
/// behind.
fn list_segments(disk: &dyn Disk, folder: &Path, manifest: &Manifest) -> Result<(Vec<u64>, Vec<String>), LogError> {
    let names = disk.list(folder).map_err(LogError::io("listing the stream's folder"))?;
    let (mut ids, mut leftovers) = (Vec::new(), Vec::new());
    for name in names {
        match segment::segment_of(&name) {
            Some((id, _)) if id < manifest.oldest_segment => leftovers.push(name),
            Some((id, "log")) => ids.push(id),
            None if name.ends_with("~new") => leftovers.push(name),
            _ => {}
        }
    }
    ids.sort_unstable();
    let last_known = manifest.synced.segment.max(ids.last().copied().unwrap_or(0));
    match (manifest.oldest_segment..=last_known).find(|id| ids.binary_search(id).is_err()) {
        Some(missing) => Err(LogError::damaged(log_name(missing), 0, "the file is missing")),
        None => Ok((ids, leftovers)),
    }
}

/// Finds where the log ends in segment `id`, the newest one, and whether the segment was ever used.
/// `is_only` says that there is no older one.
fn find_end(
    disk: &dyn Disk,
    folder: &Path,
    manifest: &Manifest,
    keys: &StreamKeys,
    id: u64,
    is_only: bool,
) -> Result<(Last, bool), LogError> {
    let (name, place) = (log_name(id), Place { incarnation: manifest.incarnation, segment: id });
    let bytes = segment::read_segment(disk, folder, id)?;
    let scan = segment::scan(&bytes, place, keys);
    let durable = if id == manifest.synced.segment { manifest.synced.length } else { 0 };
    let end = scan.index.length;
    let reason: Reason = scan.bad.unwrap_or("the file is shorter than it was");
    if end < durable {
        return Err(LogError::damaged(name, end, reason));
    }
    let whole = scan.head_is_whole();
    if (scan.bad.is_some() || !whole)
        && let Some(later) = segment::later_group(&bytes, place, end)
    {
        return Err(LogError::damaged(name, end, format!("{reason}, and a later write is at {later}")));
    }
    let is_needed = id <= manifest.synced.segment || is_only;
    if !whole && is_needed {
        return Err(LogError::damaged(name, end, "the head of the segment is not whole"));
    }
    let is_used = whole && (is_needed || scan.index.length > scan.head_bytes);
    Ok((Last { id, bytes, scan }, is_used))
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
