//! Reading a file of which some of the disk's blocks cannot be read: they count as zeros.

use std::io;
use std::path::Path;

use bytes::Bytes;

use crate::log::error::LogError;
use model::disk::{self, Disk};

/// What is read again alone where a larger read fails.
const BLOCK_BYTES: usize = 4 << 10;

/// All of a file; nothing where it is missing.
pub(crate) fn read(disk: &dyn Disk, path: &Path) -> Result<Option<Bytes>, LogError> {
    let reading = || LogError::io(format!("reading {}", path.display()));
    match disk::read_all(disk, path) {
        Ok(bytes) => Ok(Some(bytes.into())),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) if is_unreadable(&error) => read_blocks(disk, path).map(Some).map_err(reading()),
        Err(error) => Err(reading()(error)),
    }
}

fn read_blocks(disk: &dyn Disk, path: &Path) -> io::Result<Bytes> {
    let file = disk.open(path)?;
    let mut bytes = vec![0; usize::try_from(file.len()?).expect("a segment fits in memory")];
    for (number, block) in bytes.chunks_mut(BLOCK_BYTES).enumerate() {
        match file.read_at((number * BLOCK_BYTES) as u64, block) {
            Err(error) if is_unreadable(&error) => block.fill(0),
            read => read?,
        }
    }
    Ok(bytes.into())
}

fn is_unreadable(error: &io::Error) -> bool {
    error.raw_os_error() == Some(rustix::io::Errno::IO.raw_os_error())
}
