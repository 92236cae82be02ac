//! Folders that a store makes for itself, with names that a power cut does not take away.

use std::io;
use std::path::{Path, PathBuf};

use crate::disk::Disk;

/// How many folders, from the store's own upwards, have their names made durable at every start:
/// its own and the data folder's. A process that was killed may have created them and not synced
/// them.
const NAMES_SYNCED: usize = 2;

/// A folder could not be made.
#[derive(Debug, thiserror::Error)]
#[error("{doing}")]
pub struct FolderError {
    /// What was being done.
    pub doing: String,
    /// What the system said.
    #[source]
    pub source: io::Error,
}

impl FolderError {
    fn of(doing: String) -> impl FnOnce(io::Error) -> FolderError {
        move |source| FolderError { doing, source }
    }
}

/// Makes `folder`, and those around it, where they are missing. All names are durable when this
/// returns.
pub fn make(disk: &dyn Disk, folder: &Path) -> Result<(), FolderError> {
    for folder in missing(disk, folder) {
        create(disk, &folder).map_err(FolderError::of(format!("creating folder {}", folder.display())))?;
    }
    for folder in folder.ancestors().take(NAMES_SYNCED).filter(|folder| folder.file_name().is_some()) {
        match disk.sync_folder(around(folder)) {
            // A folder in which we may not look was not made by us.
            Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {}
            synced => synced.map_err(FolderError::of(format!("syncing folder {}", around(folder).display())))?,
        }
    }
    Ok(())
}

/// Of `folder` and those around it, the ones that are not there, from the outside inwards.
pub fn missing(disk: &dyn Disk, folder: &Path) -> Vec<PathBuf> {
    let is_missing = |folder: &&Path| {
        let found = disk.about(folder);
        found.is_err_and(|error| error.kind() == io::ErrorKind::NotFound)
    };
    let named = folder.ancestors().filter(|folder| !folder.as_os_str().is_empty());
    let mut missing: Vec<PathBuf> = named.take_while(is_missing).map(Path::to_owned).collect();
    missing.reverse();
    missing
}

/// After a failed sync nothing is left of the folder, so that the next start makes it anew: the
/// name of one that is there may stand in memory alone, and would never be written again.
fn create(disk: &dyn Disk, folder: &Path) -> io::Result<()> {
    disk.create_folder(folder)?;
    disk.sync_folder(around(folder)).inspect_err(|_| {
        let _ = disk.remove_folder(folder);
    })
}

fn around(folder: &Path) -> &Path {
    folder.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."))
}
