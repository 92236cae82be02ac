//! A disk that fails when a test says so, around a disk in memory.
//!
//! It has as much room as it is given, in blocks, and what does not fit is refused after the part that fits was written,
//! as file systems do. Any operation on any file can be made to fail, once or for ever. What fails is not done, except
//! that a failed sync drops what it should have made durable ([`PowerCutDisk::fail_sync`]).

use std::io::{self, IoSlice};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard};

use crate::disk::{Disk, DiskFile};
use crate::testing::power_cut::PowerCutDisk;

/// Files take room in units of this.
const BLOCK_BYTES: u64 = 512;

/// What can be made to fail, and is counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Operation {
    /// Opening a file.
    Open,
    /// Reading from a file.
    Read,
    /// Writing to a file.
    Write,
    /// Making a file's content durable.
    Sync,
    /// Making a folder's names durable.
    SyncFolder,
}

/// The next operations of a kind on files with `name` in their path fail.
#[derive(Debug, Clone)]
pub struct Fault {
    /// What fails.
    pub operation: Operation,
    /// Part of the path; all files when it is empty.
    pub name: String,
    /// How many succeed first.
    pub after: u64,
    /// How many fail then.
    pub times: u64,
}

impl Fault {
    /// All operations of that kind on those files fail, until [`FaultyDisk::heal`].
    pub fn always(operation: Operation, name: impl Into<String>) -> Fault {
        Fault { operation, name: name.into(), after: 0, times: u64::MAX }
    }

    /// The next one fails, the ones after it succeed: what a failed sync does on Linux.
    pub fn once(operation: Operation, name: impl Into<String>) -> Fault {
        Fault { times: 1, ..Fault::always(operation, name) }
    }
}

/// The disk. Clones share it.
#[derive(Debug, Clone)]
pub struct FaultyDisk {
    inner: PowerCutDisk,
    state: Arc<Mutex<State>>,
}

#[derive(Debug, Default)]
struct State {
    /// Bytes that all files under the root may have together; no end when none.
    room: Option<(PathBuf, u64)>,
    faults: Vec<Fault>,
    done: Vec<(Operation, PathBuf)>,
    failures: u64,
}

impl FaultyDisk {
    /// A disk without faults so far.
    pub fn new(inner: PowerCutDisk) -> Self {
        FaultyDisk { inner, state: Arc::default() }
    }

    /// The files under `root` may have `bytes` together.
    pub fn limit(&self, root: &Path, bytes: u64) {
        self.lock().room = Some((root.to_owned(), bytes));
    }

    /// From now on `fault` happens, beside those told before.
    pub fn fail(&self, fault: Fault) {
        self.lock().faults.push(fault);
    }

    /// No more faults, and room without end.
    pub fn heal(&self) {
        let mut state = self.lock();
        state.faults.clear();
        state.room = None;
    }

    /// How often something was tried on files with `name` in their path.
    pub fn count(&self, operation: Operation, name: &str) -> usize {
        let state = self.lock();
        state.done.iter().filter(|(done, path)| *done == operation && is_meant(path, name)).count()
    }

    /// How many operations were made to fail.
    pub fn failures(&self) -> u64 {
        self.lock().failures
    }

    /// Bytes of the blocks of all files under `root`.
    pub fn used(&self, root: &Path) -> io::Result<u64> {
        match self.inner.list(root) {
            Ok(names) => names.iter().map(|name| self.used(&root.join(name))).sum(),
            Err(_) => Ok(self.inner.open(root)?.len()?.next_multiple_of(BLOCK_BYTES)),
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("no holder of the lock panics")
    }

    /// Counts an operation, and fails it where it is told to.
    fn begin(&self, operation: Operation, path: &Path) -> io::Result<()> {
        let mut state = self.lock();
        state.done.push((operation, path.to_owned()));
        let State { faults, done, failures, .. } = &mut *state;
        for fault in faults {
            if fault.operation != operation || !is_meant(path, &fault.name) || fault.times == 0 {
                continue;
            }
            if fault.after > 0 {
                fault.after -= 1;
                continue;
            }
            fault.times -= 1;
            *failures += 1;
            if matches!(operation, Operation::Sync | Operation::SyncFolder) {
                self.inner.fail_sync(path, done.len() as u64)?;
            }
            return Err(io::Error::from_raw_os_error(rustix::io::Errno::IO.raw_os_error()));
        }
        Ok(())
    }

    /// How many more bytes there is room for.
    fn room(&self) -> io::Result<u64> {
        let room = self.lock().room.clone();
        match room {
            Some((root, bytes)) => Ok(bytes.saturating_sub(self.used(&root)?)),
            None => Ok(u64::MAX),
        }
    }

    fn wrap(&self, path: &Path, file: Arc<dyn DiskFile>) -> Arc<dyn DiskFile> {
        Arc::new(FaultyFile { disk: self.clone(), path: path.to_owned(), file })
    }
}

fn is_meant(path: &Path, name: &str) -> bool {
    path.to_string_lossy().contains(name)
}

#[deny(clippy::missing_trait_methods)]
impl Disk for FaultyDisk {
    fn create_folder(&self, path: &Path) -> io::Result<()> {
        if self.room()? == 0 {
            return Err(io::ErrorKind::StorageFull.into());
        }
        self.inner.create_folder(path)
    }

    fn create(&self, path: &Path) -> io::Result<Arc<dyn DiskFile>> {
        if self.room()? == 0 {
            return Err(io::ErrorKind::StorageFull.into());
        }
        Ok(self.wrap(path, self.inner.create(path)?))
    }

    fn open(&self, path: &Path) -> io::Result<Arc<dyn DiskFile>> {
        self.begin(Operation::Open, path)?;
        Ok(self.wrap(path, self.inner.open(path)?))
    }

    fn list(&self, folder: &Path) -> io::Result<Vec<String>> {
        self.inner.list(folder)
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.inner.rename(from, to)
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        self.inner.remove(path)
    }

    fn remove_folder(&self, path: &Path) -> io::Result<()> {
        self.inner.remove_folder(path)
    }

    fn sync_folder(&self, path: &Path) -> io::Result<()> {
        self.begin(Operation::SyncFolder, path)?;
        self.inner.sync_folder(path)
    }

    fn lock(&self, path: &Path) -> io::Result<Arc<dyn DiskFile>> {
        self.inner.lock(path)
    }
}

#[derive(Debug)]
struct FaultyFile {
    disk: FaultyDisk,
    path: PathBuf,
    file: Arc<dyn DiskFile>,
}

#[deny(clippy::missing_trait_methods)]
impl DiskFile for FaultyFile {
    fn len(&self) -> io::Result<u64> {
        self.file.len()
    }

    fn is_empty(&self) -> io::Result<bool> {
        self.file.is_empty()
    }

    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<()> {
        self.disk.begin(Operation::Read, &self.path)?;
        self.file.read_at(offset, buffer)
    }

    fn read_onto(&self, offset: u64, length: usize, into: &mut Vec<u8>) -> io::Result<()> {
        self.disk.begin(Operation::Read, &self.path)?;
        self.file.read_onto(offset, length, into)
    }

    fn write_at(&self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        self.write_vectored_at(offset, &[IoSlice::new(bytes)])
    }

    fn write_vectored_at(&self, offset: u64, parts: &[IoSlice<'_>]) -> io::Result<()> {
        self.disk.begin(Operation::Write, &self.path)?;
        let end = self.file.len()?.next_multiple_of(BLOCK_BYTES).saturating_add(self.disk.room()?);
        let fits = usize::try_from(end.saturating_sub(offset)).unwrap_or(usize::MAX);
        if parts.iter().map(|part| part.len()).sum::<usize>() <= fits {
            return self.file.write_vectored_at(offset, parts);
        }
        let begun: Vec<u8> = parts.iter().flat_map(|part| part.iter().copied()).take(fits).collect();
        self.file.write_at(offset, &begun)?;
        Err(io::ErrorKind::StorageFull.into())
    }

    fn truncate(&self, length: u64) -> io::Result<()> {
        self.file.truncate(length)
    }

    fn sync(&self) -> io::Result<()> {
        self.disk.begin(Operation::Sync, &self.path)?;
        self.file.sync()
    }
}
