//! Small files are replaced whole: after a crash one holds the old bytes or the new ones.

use std::path::Path;

use crate::log::error::LogError;
use crate::log::files::room;
use model::disk::{Disk, is_full};

/// Replaces `name` in `folder` by `bytes`: after a crash it holds the old bytes or the new ones, whole. Where the disk
/// has no room it holds the old ones ([`LogError::Full`]); after any other error one does not know.
pub(crate) fn replace(disk: &dyn Disk, folder: &Path, name: &str, bytes: &[u8]) -> Result<(), LogError> {
    let temporary = format!("{name}~new");
    let write = || {
        let file = disk.create(&folder.join(&temporary))?;
        file.write_at(0, bytes)?;
        Ok(file)
    };
    let file = match write() {
        Ok(file) => file,
        Err(error) if is_full(&error) => {
            room::discard(disk, folder, &temporary)?;
            return Err(LogError::Full { doing: format!("writing {temporary}") });
        }
        Err(error) => return Err(LogError::io(format!("writing {temporary}"))(error)),
    };
    let place = || {
        file.sync()?;
        disk.rename(&folder.join(&temporary), &folder.join(name))?;
        disk.sync_folder(folder)
    };
    place().map_err(LogError::io(format!("replacing {name}")))
}
