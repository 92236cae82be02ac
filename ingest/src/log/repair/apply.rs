//! Carries out the repair of a stream. The order makes it safe to be killed at any point: what is lost
//! is written down before the bytes change that say so.

use std::io;
use std::path::{Path, PathBuf};

use crate::log::error::LogError;
use crate::log::files::replace::replace;
use crate::log::frames::place::Place;
use crate::log::repair::plan::{NewEnd, Plan};
use crate::log::repair::salvage;
use crate::log::repair::segment_plan::head_of;
use crate::log::segments::manifest::Synced;
use crate::log::segments::segment::{self, log_name};
use crate::log::write::roll::{self, FirstGroup};
use model::disk::{self, Disk};

/// How many repairs of a stream can keep what they replace.
const ORIGINALS_MAX: u32 = 1000;

/// Repairs the stream. The files that are replaced are kept in a folder of `originals`, whose path is
/// returned if there are any.
pub fn apply(disk: &dyn Disk, mut plan: Plan, originals: &Path) -> Result<Option<PathBuf>, LogError> {
    let kept = keep_originals(disk, &plan, originals)?;
    let folder = plan.folder.clone();
    plan.manifest.save(disk, &folder)?;
    for name in &plan.unused {
        disk.remove(&folder.join(name)).map_err(LogError::io(format!("removing {name}")))?;
    }
    for segment in &plan.segments {
        let bytes = segment.bytes(disk, &folder, plan.manifest.incarnation)?;
        replace(disk, &folder, &log_name(segment.id), &bytes)?;
    }
    for id in &plan.indexes {
        let place = Place { incarnation: plan.manifest.incarnation, segment: *id };
        let scan = segment::scan(&segment::read_segment(disk, &folder, *id)?, place, &plan.keys);
        if let Some(reason) = scan.bad {
            return Err(LogError::damaged(log_name(*id), scan.index.length, reason));
        }
        segment::save_index(disk, &folder, place, &scan.index).map_err(LogError::io("writing an index"))?;
    }
    if let Some(end) = plan.end.take() {
        begin_anew(disk, &mut plan, end)?;
    }
    Ok(kept)
}

/// Copies the files that are replaced to a new folder.
fn keep_originals(disk: &dyn Disk, plan: &Plan, originals: &Path) -> Result<Option<PathBuf>, LogError> {
    let segments = plan.segments.iter().map(|segment| log_name(segment.id));
    let names: Vec<String> = segments.chain(plan.manifests.iter().map(|name| (*name).to_owned())).collect();
    let mut found = Vec::new();
    for name in names {
        if let Some(bytes) = salvage::read(disk, &plan.folder.join(&name))? {
            found.push((name, bytes));
        }
    }
    if found.is_empty() {
        return Ok(None);
    }
    let folder = make_folder(disk, plan, originals)
        .map_err(LogError::io(format!("creating a folder for the damaged files in {}", originals.display())))?;
    for (name, bytes) in found {
        let copy = || {
            let file = disk.create(&folder.join(&name))?;
            file.write_at(0, &bytes)?;
            file.sync()
        };
        copy().map_err(LogError::io(format!("copying {name} to {}", folder.display())))?;
    }
    disk.sync_folder(&folder).map_err(LogError::io(format!("syncing {}", folder.display())))?;
    Ok(Some(folder))
}

fn make_folder(disk: &dyn Disk, plan: &Plan, originals: &Path) -> io::Result<PathBuf> {
    make(disk, originals)?;
    for number in 1..=ORIGINALS_MAX {
        let folder = originals.join(format!("{}~{number}", plan.name));
        match disk.create_folder(&folder) {
            Ok(()) => {
                disk.sync_folder(originals)?;
                return Ok(folder);
            }
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            Err(error) => return Err(error),
        }
    }
    Err(io::Error::other(format!("it has files of {ORIGINALS_MAX} repairs; remove those that you no longer need")))
}

fn make(disk: &dyn Disk, folder: &Path) -> io::Result<()> {
    match disk.create_folder(folder) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => Err(error),
        _ => disk.sync_folder(folder.parent().unwrap_or(Path::new("."))),
    }
}

/// Goes on in a new segment. It holds no record yet, so the mark in the manifest says that it counts.
fn begin_anew(disk: &dyn Disk, plan: &mut Plan, end: NewEnd) -> Result<(), LogError> {
    let NewEnd { segment, before_bytes, stamp, next, checkpoints } = end;
    let place = Place { incarnation: plan.manifest.incarnation, segment };
    let mut head = head_of(before_bytes, next.into_iter());
    head.manifest = plan.manifest.encode().into();
    let sealer = roll::sealer(&plan.manifest, &plan.keys, place);
    let first = FirstGroup { place, stamp, head, checkpoints: &checkpoints, sealer };
    let (_, length) = roll::create_segment(disk, &plan.folder, first)?;
    plan.manifest.synced = Synced { segment, length, floor: stamp };
    plan.manifest.save(disk, &plan.folder)
}

/// Holds the lock of a store's folder, so that no server opens it meanwhile. Error: one has it.
pub fn lock(disk: &dyn Disk, streams: &Path) -> io::Result<std::sync::Arc<dyn disk::DiskFile>> {
    disk.lock(&streams.join(crate::log::folder::LOCK))
}
