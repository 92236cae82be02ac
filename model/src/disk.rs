//! The disk behind two small traits, so that a test can take its power away. Three implementations:
//! [`StdDisk`], an [`overlay`] over a disk that takes no writes, and `PowerCutDisk` for tests. All
//! calls block; they are never made on an async thread.

mod layer;
pub mod overlay;

use std::fmt;
use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, IoSlice};
use std::os::unix::fs::{DirBuilderExt, FileExt, OpenOptionsExt};
use std::path::Path;
use std::sync::Arc;

use rustix::buffer::spare_capacity;

use crate::clock::Timestamp;

/// A folder tree. What it changes is durable only after the folder it changed is synced.
pub trait Disk: Send + Sync + fmt::Debug {
    /// Creates a folder; its parent exists.
    fn create_folder(&self, path: &Path) -> io::Result<()>;
    /// Creates an empty file, replacing one of that name.
    fn create(&self, path: &Path) -> io::Result<Arc<dyn DiskFile>>;
    /// Opens a file for reading and writing.
    fn open(&self, path: &Path) -> io::Result<Arc<dyn DiskFile>>;
    /// Opens a file for reading. Its writes fail.
    fn view(&self, path: &Path) -> io::Result<Arc<dyn DiskFile>>;
    /// Names of what is in a folder, in any order.
    fn list(&self, folder: &Path) -> io::Result<Vec<String>>;
    /// Moves a file or folder, replacing a file of that name. The folders of both names are to be synced.
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()>;
    /// Removes a file.
    fn remove(&self, path: &Path) -> io::Result<()>;
    /// Removes an empty folder.
    fn remove_folder(&self, path: &Path) -> io::Result<()>;
    /// Makes the names in a folder durable.
    fn sync_folder(&self, path: &Path) -> io::Result<()>;
    /// Creates a file that no other holder has while the handle lives; an error when somebody has it.
    fn lock(&self, path: &Path) -> io::Result<Arc<dyn DiskFile>>;
    /// Opens a file for reading and writing, or creates it empty, such that no other holder has it while the handle
    /// lives; an error when somebody has it.
    fn open_alone(&self, path: &Path) -> io::Result<Arc<dyn DiskFile>>;
    /// Gives a file a second name, in any folder; an error of kind `AlreadyExists` when that name is taken.
    fn link(&self, from: &Path, to: &Path) -> io::Result<()>;
    /// What is known of a file or folder. Links are not followed.
    fn about(&self, path: &Path) -> io::Result<About>;
}

/// What is known of a file or folder without opening it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct About {
    /// A file, a folder or something else.
    pub kind: Kind,
    /// Bytes in a file.
    pub bytes: u64,
    /// When its content was last changed, where that is known.
    pub changed_at: Option<Timestamp>,
}

/// What stands under a name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A file.
    File,
    /// A folder.
    Folder,
    /// Neither: a link or a device.
    Other,
}

/// A file. What is written is durable only after [`DiskFile::sync`] returned without an error.
pub trait DiskFile: Send + Sync + fmt::Debug {
    /// Bytes in it.
    fn len(&self) -> io::Result<u64>;
    /// Whether there are none.
    fn is_empty(&self) -> io::Result<bool> {
        Ok(self.len()? == 0)
    }
    /// Fills `buffer` from `offset`; an error when the file ends before it is full.
    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<()>;
    /// Appends the `length` bytes that stand at `offset` to `into`; an error when the file ends before them.
    fn read_onto(&self, offset: u64, length: usize, into: &mut Vec<u8>) -> io::Result<()> {
        let begin = into.len();
        into.resize(begin + length, 0);
        self.read_at(offset, &mut into[begin..])
    }
    /// Writes all of `bytes` at `offset`.
    fn write_at(&self, offset: u64, bytes: &[u8]) -> io::Result<()>;
    /// Writes all of `parts` at `offset`, one after the other.
    fn write_vectored_at(&self, offset: u64, parts: &[IoSlice<'_>]) -> io::Result<()> {
        let mut bytes = Vec::with_capacity(parts.iter().map(|part| part.len()).sum());
        parts.iter().for_each(|part| bytes.extend_from_slice(part));
        self.write_at(offset, &bytes)
    }
    /// Cuts the file off at `length`.
    fn truncate(&self, length: u64) -> io::Result<()>;
    /// Makes content and length durable. After an error nobody knows what is on the disk, and a later success says nothing
    /// about what was written before: write it again.
    fn sync(&self) -> io::Result<()>;
}

/// The most parts that the system gathers at once.
const WRITE_PARTS_MAX: usize = 1024;

/// Only the user who runs the store gets at what it writes.
const FOLDER_MODE: u32 = 0o700;
const FILE_MODE: u32 = 0o600;

fn new_file() -> OpenOptions {
    let mut options = OpenOptions::new();
    options.read(true).write(true).create(true).truncate(true).mode(FILE_MODE);
    options
}

/// The machine's file system.
#[derive(Debug, Clone, Copy, Default)]
pub struct StdDisk;

impl Disk for StdDisk {
    fn create_folder(&self, path: &Path) -> io::Result<()> {
        DirBuilder::new().mode(FOLDER_MODE).create(path)
    }

    fn create(&self, path: &Path) -> io::Result<Arc<dyn DiskFile>> {
        Ok(Arc::new(StdFile(new_file().open(path)?)))
    }

    fn open(&self, path: &Path) -> io::Result<Arc<dyn DiskFile>> {
        Ok(Arc::new(StdFile(OpenOptions::new().read(true).write(true).open(path)?)))
    }

    fn view(&self, path: &Path) -> io::Result<Arc<dyn DiskFile>> {
        Ok(Arc::new(StdFile(File::open(path)?)))
    }

    fn list(&self, folder: &Path) -> io::Result<Vec<String>> {
        fs::read_dir(folder)?.map(|entry| Ok(entry?.file_name().to_string_lossy().into_owned())).collect()
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        fs::rename(from, to)
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        fs::remove_file(path)
    }

    fn remove_folder(&self, path: &Path) -> io::Result<()> {
        fs::remove_dir(path)
    }

    fn sync_folder(&self, path: &Path) -> io::Result<()> {
        File::open(path)?.sync_all()
    }

    fn lock(&self, path: &Path) -> io::Result<Arc<dyn DiskFile>> {
        let file = new_file().open(path)?;
        file.try_lock()?;
        Ok(Arc::new(StdFile(file)))
    }

    fn open_alone(&self, path: &Path) -> io::Result<Arc<dyn DiskFile>> {
        let file = new_file().truncate(false).open(path)?;
        file.try_lock()?;
        Ok(Arc::new(StdFile(file)))
    }

    fn link(&self, from: &Path, to: &Path) -> io::Result<()> {
        fs::hard_link(from, to)
    }

    fn about(&self, path: &Path) -> io::Result<About> {
        let found = fs::symlink_metadata(path)?;
        let kind = match found.file_type() {
            kind if kind.is_file() => Kind::File,
            kind if kind.is_dir() => Kind::Folder,
            _ => Kind::Other,
        };
        Ok(About { kind, bytes: found.len(), changed_at: found.modified().ok().map(Timestamp::from) })
    }
}

#[derive(Debug)]
struct StdFile(File);

impl DiskFile for StdFile {
    fn len(&self) -> io::Result<u64> {
        Ok(self.0.metadata()?.len())
    }

    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<()> {
        self.0.read_exact_at(buffer, offset)
    }

    /// Into memory that nobody has to fill with zeros first.
    fn read_onto(&self, offset: u64, length: usize, into: &mut Vec<u8>) -> io::Result<()> {
        let (begin, end) = (into.len(), into.len() + length);
        into.reserve_exact(length);
        while into.len() < end {
            let at = offset + (into.len() - begin) as u64;
            match rustix::io::pread(&self.0, spare_capacity(into), at) {
                Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
                Ok(_) | Err(rustix::io::Errno::INTR) => {}
                Err(error) => return Err(error.into()),
            }
        }
        // There may have been room for more than was asked for.
        into.truncate(end);
        Ok(())
    }

    fn write_at(&self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        self.0.write_all_at(bytes, offset)
    }

    fn write_vectored_at(&self, mut offset: u64, parts: &[IoSlice<'_>]) -> io::Result<()> {
        let mut parts = parts.to_vec();
        let mut left = &mut parts[..];
        while !left.is_empty() {
            let now = left.len().min(WRITE_PARTS_MAX);
            match rustix::io::pwritev(&self.0, &left[..now], offset) {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(written) => {
                    offset += written as u64;
                    IoSlice::advance_slices(&mut left, written);
                }
                Err(rustix::io::Errno::INTR) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Ok(())
    }

    fn truncate(&self, length: u64) -> io::Result<()> {
        self.0.set_len(length)
    }

    fn sync(&self) -> io::Result<()> {
        self.0.sync_data()
    }
}

/// Whether the system refused for want of room: on the disk, or in the user's share of it.
pub fn is_full(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded)
}

/// Reads a whole file that is known to be small.
pub fn read_all(disk: &dyn Disk, path: &Path) -> io::Result<Vec<u8>> {
    let file = disk.view(path)?;
    let mut bytes = vec![0; usize::try_from(file.len()?).expect("a file fits in memory")];
    file.read_at(0, &mut bytes)?;
    Ok(bytes)
}

/// Removes a folder of files.
pub fn remove_tree(disk: &dyn Disk, folder: &Path) -> io::Result<()> {
    for name in disk.list(folder)? {
        disk.remove(&folder.join(name))?;
    }
    disk.remove_folder(folder)
}
