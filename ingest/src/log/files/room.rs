//! What happens when the disk has no room: what was begun is undone, and the stream goes on as if it had never been.
//!
//! Only a *write* that finds no room can be undone. Whatever else fails, a sync above all, leaves us not knowing what is
//! on the disk: that stops the stream, and nothing is tried again.

use std::io::{self, IoSlice};
use std::path::Path;

use crate::log::error::LogError;
use model::disk::{Disk, DiskFile, is_full};

/// Writes `parts` behind the `length` bytes of a file and syncs them: all of them, or none when the disk has no room
/// ([`LogError::Full`]); after any other error what is there is unknown.
pub(crate) fn extend(file: &dyn DiskFile, length: u64, parts: &[IoSlice<'_>], name: &str) -> Result<(), LogError> {
    match file.write_vectored_at(length, parts) {
        Ok(()) => file.sync().map_err(LogError::io(format!("syncing {name}"))),
        Err(error) if is_full(&error) => {
            cut(file, length).map_err(LogError::io(format!("cutting {name} after the disk was full")))?;
            Err(LogError::Full { doing: format!("writing {name}") })
        }
        Err(error) => Err(LogError::io(format!("writing {name}"))(error)),
    }
}

/// Cuts off what was begun. The cut is synced before anything is written there again: else a crash might leave frames of
/// the group that was refused behind frames of the next one, and both would verify.
fn cut(file: &dyn DiskFile, length: u64) -> io::Result<()> {
    file.truncate(length)?;
    file.sync()?;
    match file.len()? {
        found if found == length => Ok(()),
        found => Err(io::Error::other(format!("it has {found} bytes instead of {length}"))),
    }
}

/// Removes a file that was being written when the disk had no room, and makes sure that it stays away.
pub(crate) fn discard(disk: &dyn Disk, folder: &Path, name: &str) -> Result<(), LogError> {
    let discard = || {
        match disk.remove(&folder.join(name)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        disk.sync_folder(folder)
    };
    discard().map_err(LogError::io(format!("removing {name} after the disk was full")))
}
