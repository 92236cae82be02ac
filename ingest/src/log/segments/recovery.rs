//! Opening a stream's folder: what is whole is kept, what was never acknowledged is cut, and damage
//! is refused.
//!
//! **What a power cut can do.** The writer writes one group of frames at a time and syncs it before
//! it writes the next; records are acknowledged and shown to readers only after that sync. So at
//! any moment at most one group is not durable, and it is the last one. A crash can leave any part
//! of it: a prefix, or any of its sectors.
//!
//! **What follows for a frame that does not verify,** at offset `bad` of the last segment:
//! - A valid frame of a group begun after `bad` proves that `bad` was synced: the bytes were right
//!   once. *Damage.*
//! - `bad` lies below the durable mark of the manifest (written at every opening, reshard, change
//!   of settings, trim and clean close): *damage.*
//! - Otherwise it may be the group that was being written, which nobody was told about: it is
//!   *cut*, from `bad` on. After a crash, and only then, a bit that rots inside the very last group
//!   looks the same; no log without a second copy can tell them apart. After a clean close the mark
//!   stands at the end and nothing can be cut.
//!
//! **Segments.** A new segment's first group (head and newest checkpoints) and its name are synced
//! before it is used. So a last segment whose first group is not whole, or that holds nothing else,
//! was never used and is removed; all segments before the last are sealed: the head of the next one
//! says how long they are, and any bad frame in them is damage, found when it is read. Their
//! records are found by the index saved beside them, so that opening reads only the last segment as
//! a whole.
//!
//! **What a failed sync can do.** Linux marks the pages that it could not write as clean and keeps
//! them. The next process on the same machine reads them like any others, its sync succeeds without
//! writing, and the next power cut takes them away. Names in a folder are no different. So what a
//! start reads is not proof of what is on the disk, and the start believes only what a later step
//! proves: a group before the last one, because the last one was begun after its sync; a sealed
//! segment, because the next one was used; what lies below a mark, because the mark was written
//! after it. It *writes again* whatever may stand in memory alone:
//! - the last segment, as a new file that takes the place of the old one, unless it ends at the
//!   mark. Writing the same bytes into the same place is not enough: ext4 keeps blocks whose first
//!   write failed as unwritten, and they read as zeros after the next mount. Only on a disk without
//!   room for a copy, the last group is written again in its place,
//! - the length of a last segment that ends at the mark, by making it longer and shorter again,
//! - the manifest, as a new file,
//! - the name of a segment that holds no more than its head, by removing it.
//!
//! **What a restored copy can do.** The folder may be an older copy, whose later records were read,
//! archived and lost. So a start goes on at the number of its time, above all that was ever given
//! out. The manifest names what is skipped before a record has a number above it.
//!
//! Files that the manifest no longer names are removed only after that: the disk may still have the
//! manifest that needs them. Recovering twice gives the same.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use model::name::ConsumerName;
use model::stream::checkpoint::Checkpoint;
use model::stream::sequence_number::SequenceNumber;
use model::stream::shard::ShardId;
use tracing::{info, warn};

use crate::log::error::LogError;
use crate::log::files::replace::replace;
use crate::log::frames::key::{KeyRing, StreamKeys};
use crate::log::segments::index::ShardIndex;
use crate::log::segments::manifest::{Manifest, Synced};
use crate::log::segments::segment::{Scan, Segment, log_name};
use crate::log::segments::survey::{Last, Survey};
use model::disk::{Disk, DiskFile};

/// A stream as it was found.
#[derive(Debug)]
pub struct Recovered {
    /// With the durable mark at the end of the log.
    pub manifest: Manifest,
    /// Whether the disk had no room for that manifest, so that an older one may be on it.
    pub manifest_is_unsaved: bool,
    /// At least one, oldest first; the last is the one to write to.
    pub segments: Vec<Segment>,
    /// The last segment's file.
    pub file: Arc<dyn DiskFile>,
    /// The newest checkpoint of every consumer.
    pub checkpoints: BTreeMap<ConsumerName, Checkpoint>,
    /// Bytes of the last segment's first group, which do not count towards its size.
    pub head_bytes: u64,
    /// The next number of every shard.
    pub next: BTreeMap<ShardId, SequenceNumber>,
    /// What its frames may be encrypted with.
    pub keys: Arc<StreamKeys>,
}

/// Opens the stream in `folder`, whose numbers go on at `resumes_at` if that is above them. If a key
/// is missing or wrong, nothing is changed.
pub fn recover(
    disk: &dyn Disk,
    folder: &Path,
    ring: &KeyRing,
    resumes_at: SequenceNumber,
) -> Result<Recovered, LogError> {
    let survey = Survey::of(disk, folder, ring)?;
    for name in survey.unused.iter().map(|id| log_name(*id)) {
        info!(segment = %name, "segment was never used, removed");
        remove(disk, folder, &name)?;
    }
    // The logs of dropped segments stay until it is certain which manifest is on the disk. What
    // else is left over is needed by none, and may have the room for the manifest.
    let (logs, needless): (Vec<_>, Vec<_>) = survey.leftovers.iter().cloned().partition(|name| name.ends_with(".log"));
    needless.iter().try_for_each(|name| remove(disk, folder, name))?;
    let file = write_again(disk, folder, &survey)?;
    disk.sync_folder(folder).map_err(LogError::io("syncing the stream's folder"))?;
    let mut recovered = Recovered::new(survey, file);
    recovered.resume(resumes_at);
    match recovered.manifest.save(disk, folder) {
        Ok(()) => logs.iter().try_for_each(|name| remove(disk, folder, name))?,
        // Reading goes on. The writer saves it before it writes anything else.
        Err(LogError::Full { doing }) => {
            warn!(doing, "durable mark not moved: the disk is full");
            recovered.manifest_is_unsaved = true;
        }
        Err(failed) => return Err(failed),
    }
    Ok(recovered)
}

/// Opens the stream in a folder that this process has just made. All its syncs succeeded, so that
/// nothing has to be written again.
pub(crate) fn open_new(disk: &dyn Disk, folder: &Path, ring: &KeyRing) -> Result<Recovered, LogError> {
    let survey = Survey::of(disk, folder, ring)?;
    let file = open_log(disk, folder, survey.last.id)?;
    Ok(Recovered::new(survey, file))
}

impl Recovered {
    fn new(survey: Survey, file: Arc<dyn DiskFile>) -> Self {
        let Survey { mut manifest, keys, floor, sealed, last: Last { id, scan, .. }, .. } = survey;
        // A record below the horizon would be acknowledged and never shown.
        let floor = floor.max(manifest.horizon);
        manifest.synced = Synced { segment: id, length: scan.index.length, floor };
        let (head_bytes, next) = (scan.head_bytes, next_numbers(&manifest, &scan));
        let mut segments = sealed;
        segments.push(Segment { id, index: scan.index });
        let checkpoints = scan.checkpoints;
        Recovered { manifest, manifest_is_unsaved: false, segments, file, checkpoints, head_bytes, next, keys }
    }

    /// Skips the numbers that a lost future of this folder may have given out.
    fn resume(&mut self, at: SequenceNumber) {
        let held = |shard: ShardId| {
            let next = self.next[&shard];
            let oldest = self.segments.iter().find_map(|segment| segment.index.shards.get(&shard));
            (oldest.map_or(next, ShardIndex::first), next)
        };
        let shards = self.manifest.shards.resumed(at, held);
        if shards == self.manifest.shards {
            return;
        }
        for shard in shards.open() {
            self.next.entry(shard.id).and_modify(|next| *next = shard.first_from(*next));
        }
        self.manifest.shards = shards;
        self.manifest.lives = self.manifest.lives.clone().resumed_at(at);
    }
}

fn remove(disk: &dyn Disk, folder: &Path, name: &str) -> Result<(), LogError> {
    disk.remove(&folder.join(name)).map_err(LogError::io(format!("removing {name}")))
}

fn open_log(disk: &dyn Disk, folder: &Path, id: u64) -> Result<Arc<dyn DiskFile>, LogError> {
    let name = log_name(id);
    disk.open(&folder.join(&name)).map_err(LogError::io(format!("opening {name}")))
}

/// Makes the end of the log durable, whatever syncs of earlier processes came to: cuts what was
/// never acknowledged, and writes the last segment again if a part of it may stand in memory alone.
fn write_again(disk: &dyn Disk, folder: &Path, survey: &Survey) -> Result<Arc<dyn DiskFile>, LogError> {
    let Last { id, bytes, scan } = &survey.last;
    let (name, end, mark) = (log_name(*id), scan.index.length, survey.manifest.synced);
    if let Some(reason) = scan.bad {
        warn!(segment = %name, offset = end, bytes = bytes.len() as u64 - end, reason, "unfinished write removed");
    }
    let at = |offset: u64| usize::try_from(offset).expect("a segment fits in memory");
    let mut begin = end;
    if (mark.segment, mark.length) != (*id, end) {
        match replace(disk, folder, &name, &bytes[..at(end)]) {
            Ok(()) => return open_log(disk, folder, *id),
            Err(LogError::Full { .. }) => begin = scan.last_group,
            Err(failed) => return Err(failed),
        }
    }
    // In place: what is below the mark is durable, and a full disk leaves no other choice.
    let file = open_log(disk, folder, *id)?;
    let write = || {
        file.write_at(begin, &bytes[at(begin)..at(end)])?;
        // The file may be longer on the disk than it looks. Only a length that changes is written.
        file.truncate(end + 1)?;
        file.truncate(end)?;
        file.sync()
    };
    write().map_err(LogError::io(format!("writing the end of {name} again")))?;
    Ok(file)
}

fn next_numbers(manifest: &Manifest, scan: &Scan) -> BTreeMap<ShardId, SequenceNumber> {
    let at_head: BTreeMap<_, _> = scan.head.iter().flat_map(|head| head.next.iter().copied()).collect();
    let next_of = |shard: ShardId, first: SequenceNumber| {
        let found = scan.index.shards.get(&shard).map(|index| index.next);
        let given_up = manifest.losses.iter().filter(|loss| loss.shard == shard).map(|loss| loss.end).max();
        found.max(at_head.get(&shard).copied()).max(given_up).unwrap_or(first).max(first)
    };
    // Numbers that were skipped stay so, also where no record came after them.
    manifest.shards.iter().map(|shard| (shard.id, shard.first_from(next_of(shard.id, shard.first)))).collect()
}
