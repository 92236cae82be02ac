//! The folder of one stream: made aside and moved in place, moved aside and removed, so that after a crash it is there
//! whole or not at all. What is left aside is removed at the next start.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use crate::log::error::LogError;
use crate::log::files::file::{self, Disk};
use crate::log::frames::head::Head;
use crate::log::frames::place::Place;
use crate::log::segments::manifest::{Manifest, Synced};
use crate::log::write::roll::{self, FirstGroup};

/// Marks, which no stream's name can have, of a folder that is being made and of one that is being removed.
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

/// Makes the folder of a new stream.
pub(crate) fn create(disk: &dyn Disk, folder: &Path, manifest: Manifest) -> Result<(), LogError> {
    let new = aside(folder, NEW);
    fill(disk, &new, manifest)
        .and_then(|()| {
            let place = || {
                disk.rename(&new, folder)?;
                disk.sync_folder(around(folder))
            };
            place().map_err(LogError::io("moving the new stream's folder in place"))
        })
        .inspect_err(|_| {
            // What there is of it only takes room.
            let _ = file::remove_tree(disk, &new);
        })
}

fn fill(disk: &dyn Disk, new: &Path, mut manifest: Manifest) -> Result<(), LogError> {
    let make = || {
        if disk.list(new).is_ok() {
            file::remove_tree(disk, new)?;
        }
        disk.create_folder(new)
    };
    make().map_err(LogError::unless_full("creating the stream's folder"))?;
    let place = Place { incarnation: manifest.incarnation, segment: 0 };
    let next = manifest.shards.iter().map(|shard| (shard.id, shard.first)).collect();
    let head = Head { before_bytes: 0, checkpoints: 0, next };
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
        if disk.list(&trash).is_ok() {
            file::remove_tree(disk, &trash)?;
        }
        disk.rename(folder, &trash)?;
        disk.sync_folder(around(folder))
    };
    put().map_err(LogError::io("deleting the stream's folder"))
}

/// Removes a folder that was put aside.
pub(crate) fn remove(disk: &dyn Disk, folder: &Path) -> std::io::Result<()> {
    file::remove_tree(disk, &aside(folder, TRASH))
}
