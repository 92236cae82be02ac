//! The store's own folder: made where it is missing, with a name that a power cut does not take
//! away.

use std::io;
use std::path::Path;

use crate::log::error::LogError;
use model::disk::Disk;

/// How many folders, from the store's own upwards, have their names made durable at every start:
/// its own and the data folder's. A process that was killed may have created them and not synced
/// them.
const NAMES_SYNCED: usize = 2;

/// Makes `folder`, and those around it, where they are missing. All names are durable when this
/// returns.
pub(crate) fn make(disk: &dyn Disk, folder: &Path) -> Result<(), LogError> {
    let mut missing = Vec::new();
    let mut next = Some(folder);
    while let Some(folder) = next.filter(|folder| !folder.as_os_str().is_empty()) {
        match disk.list(folder) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => missing.push(folder),
            _ => break,
        }
        next = folder.parent();
    }
    for folder in missing.into_iter().rev() {
        create(disk, folder).map_err(LogError::io(format!("creating folder {}", folder.display())))?;
    }
    for folder in folder.ancestors().take(NAMES_SYNCED).filter(|folder| folder.file_name().is_some()) {
        match disk.sync_folder(around(folder)) {
            // A folder in which we may not look was not made by us.
            Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {}
            synced => synced.map_err(LogError::io(format!("syncing folder {}", around(folder).display())))?,
        }
    }
    Ok(())
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
