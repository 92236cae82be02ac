//! The folder of one stream: made aside and moved in place, moved aside and removed, so that after
//! a crash it is there whole or not at all. What is left aside is removed at the next start.
//!
//! If the sync of a move fails, the folder is moved back at once: nobody finds it in a place that
//! stands in memory alone. A folder is emptied only after a sync of its name succeeded.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use model::name::StreamName;

use crate::log::error::LogError;
use crate::log::frames::head::Head;
use crate::log::frames::place::Place;
use crate::log::segments::manifest::{MANIFEST, MANIFEST_COPY, Manifest, Synced};
use crate::log::segments::segment;
use crate::log::write::roll::{self, FirstGroup};
use model::disk::{self, Disk};

/// Marks, which no stream's name can have, of a folder that is being made and of one that is being
/// removed.
const NEW: &str = "~new";
const TRASH: &str = "~trash";

fn aside(folder: &Path, mark: &str) -> PathBuf {
    let mut name = folder.as_os_str().to_owned();
    name.push(mark);
    PathBuf::from(name)
}

fn around(folder: &Path) -> &Path {
    folder.parent().expect("a stream's folder is in a store's")
}

/// Moves a folder; durable when this returns. After a failed sync it is back where it was, as far
/// as one can know.
fn move_folder(disk: &dyn Disk, from: &Path, to: &Path) -> std::io::Result<()> {
    disk.rename(from, to)?;
    disk.sync_folder(around(from)).inspect_err(|_| {
        let _ = disk.rename(to, from);
    })
}

/// Whether everything in `folder` has a name that files of a stream have.
fn is_ours(disk: &dyn Disk, folder: &Path) -> bool {
    let is_known = |name: &String| {
        let name = name.strip_suffix(NEW).unwrap_or(name);
        name == MANIFEST || name == MANIFEST_COPY || segment::segment_of(name).is_some()
    };
    disk.list(folder).is_ok_and(|names| names.iter().all(is_known))
}

/// Removes what an earlier life left at `folder`, and says whether it did: somebody else's folder
/// stays.
pub(crate) fn remove_leftover(disk: &dyn Disk, folder: &Path) -> std::io::Result<bool> {
    let name = folder.file_name().unwrap_or_default().to_string_lossy();
    let stream = name.strip_suffix(NEW).or_else(|| name.strip_suffix(TRASH));
    if stream.is_none_or(|stream| StreamName::new(stream).is_err()) || !is_ours(disk, folder) {
        return Ok(false);
    }
    disk::remove_tree(disk, folder)?;
    Ok(true)
}

/// Frees a place aside.
fn clear(disk: &dyn Disk, folder: &Path) -> std::io::Result<()> {
    match disk.list(folder) {
        Ok(_) if remove_leftover(disk, folder)? => Ok(()),
        Ok(_) => {
            let reason = format!("folder {} has files that are not part of a stream; move it away", folder.display());
            Err(std::io::Error::other(reason))
        }
        Err(_) => Ok(()),
    }
}

/// Makes the folder of a new stream.
pub(crate) fn create(disk: &dyn Disk, folder: &Path, manifest: Manifest) -> Result<(), LogError> {
    let new = aside(folder, NEW);
    clear(disk, &new).map_err(LogError::io("creating the stream's folder"))?;
    fill(disk, &new, manifest).inspect_err(|_| {
        // What there is of it only takes room.
        let _ = disk::remove_tree(disk, &new);
    })?;
    // It stays aside where this fails. The next creation, or the next start, removes it.
    move_folder(disk, &new, folder).map_err(LogError::io("moving the new stream's folder in place"))
}

fn fill(disk: &dyn Disk, new: &Path, mut manifest: Manifest) -> Result<(), LogError> {
    disk.create_folder(new).map_err(LogError::unless_full("creating the stream's folder"))?;
    let place = Place { incarnation: manifest.incarnation, segment: 0 };
    let next = manifest.shards.iter().map(|shard| (shard.id, shard.first)).collect();
    let head = Head { before_bytes: 0, checkpoints: 0, next, manifest: manifest.encode().into() };
    let (stamp, checkpoints) = (manifest.created_at, &BTreeMap::new());
    let first = FirstGroup { place, stamp, head, checkpoints, sealer: None };
    let (_, length) = roll::create_segment(disk, new, first)?;
    manifest.synced = Synced { segment: 0, length, floor: manifest.created_at };
    manifest.save(disk, new)
}

/// Takes the folder from its place: the stream is gone when this returns.
pub(crate) fn put_aside(disk: &dyn Disk, folder: &Path) -> Result<(), LogError> {
    let trash = aside(folder, TRASH);
    let put = || {
        clear(disk, &trash)?;
        move_folder(disk, folder, &trash)
    };
    put().map_err(LogError::io("deleting the stream's folder"))
}

/// Removes a folder that was put aside.
pub(crate) fn remove(disk: &dyn Disk, folder: &Path) -> std::io::Result<()> {
    disk::remove_tree(disk, &aside(folder, TRASH))
}
