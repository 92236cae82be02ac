//! Opens the file of the tables such that what is read is what is on the disk.
//!
//! After a failed sync Linux keeps what it could not write, marked as written. The next process
//! reads it like anything else, builds on it, and loses both with the next power cut. So a file that
//! was not closed in order is written again, as a new file that takes the place of the old one:
//! writing the same bytes into the same place is not enough. redb says in the file's first bytes
//! whether it was closed in order, and a process whose sync fails says there that it was not.
//!
//! ```text
//! 0        9
//! "redb.." | flags: 2 = not closed | ..
//! ```

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use model::disk::{Disk, DiskFile, is_full};
use tracing::{info, warn};

const MAGIC: &[u8] = b"redb\x1A\x0A\xA9\x0D\x0A";
const FLAGS_AT: u64 = MAGIC.len() as u64;
const NOT_CLOSED: u8 = 2;
/// How much is copied at once.
const CHUNK_BYTES: u64 = 1 << 20;

/// Opens the file, or creates it. Nobody else has it then.
pub(super) fn open_recovered(disk: &dyn Disk, path: &Path) -> io::Result<Arc<dyn DiskFile>> {
    let file = disk.open_alone(path)?;
    let file = if was_closed(&*file)? { file } else { write_again(disk, path, file)? };
    // A new file has a name that lasts before anybody is told that something is in it.
    disk.sync_folder(around(path))?;
    Ok(file)
}

/// Says that the file was not closed in order. If that cannot be written either, the disk is gone.
pub(super) fn mark_unclean(file: &dyn DiskFile) {
    let mut flags = [0];
    let marked = file.read_at(FLAGS_AT, &mut flags).and_then(|()| file.write_at(FLAGS_AT, &[flags[0] | NOT_CLOSED]));
    if let Err(error) = marked {
        warn!(%error, "the file of the tables cannot be marked as not closed");
    }
}

fn was_closed(file: &dyn DiskFile) -> io::Result<bool> {
    let mut head = [0; MAGIC.len() + 1];
    if file.len()? < head.len() as u64 {
        // Nothing was ever committed to it.
        return Ok(true);
    }
    file.read_at(0, &mut head)?;
    let [magic @ .., flags] = &head;
    Ok(magic != MAGIC || flags & NOT_CLOSED == 0)
}

/// Replaces the file by a copy that is certainly on the disk. Only on a disk without room for one,
/// it is written again in its place.
fn write_again(disk: &dyn Disk, path: &Path, file: Arc<dyn DiskFile>) -> io::Result<Arc<dyn DiskFile>> {
    let new = beside(path);
    match copy(disk, &file, &new) {
        Ok(()) => {
            disk.rename(&new, path)?;
            disk.sync_folder(around(path))?;
            info!(file = %path.display(), "tables were not closed by the last process and are recovered");
            disk.open_alone(path)
        }
        Err(error) if is_full(&error) => {
            warn!(file = %path.display(), "no room for a copy: tables are recovered in their place");
            disk.remove(&new)
                .or_else(|error| if error.kind() == io::ErrorKind::NotFound { Ok(()) } else { Err(error) })?;
            in_chunks(&*file, |offset, bytes| file.write_at(offset, bytes))?;
            file.sync()?;
            Ok(file)
        }
        Err(error) => Err(error),
    }
}

fn copy(disk: &dyn Disk, file: &Arc<dyn DiskFile>, new: &Path) -> io::Result<()> {
    let copy = disk.create(new)?;
    in_chunks(&**file, |offset, bytes| copy.write_at(offset, bytes))?;
    copy.sync()
}

fn in_chunks(file: &dyn DiskFile, mut each: impl FnMut(u64, &[u8]) -> io::Result<()>) -> io::Result<()> {
    let (length, mut offset, mut chunk) = (file.len()?, 0, Vec::new());
    while offset < length {
        let bytes = CHUNK_BYTES.min(length - offset);
        chunk.clear();
        file.read_onto(offset, usize::try_from(bytes).expect("a chunk fits in memory"), &mut chunk)?;
        each(offset, &chunk)?;
        offset += bytes;
    }
    Ok(())
}

fn beside(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push("~new");
    PathBuf::from(name)
}

fn around(path: &Path) -> &Path {
    path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."))
}
