//! A disk that fails when a test says so, around a disk in memory.
//!
//! It has as much room as it is given, in blocks, and what does not fit is refused after the part
//! that fits was written, as file systems do. Any operation on any file can be made to fail, once or
//! for ever, and the machine can be made to stop at any operation. What fails is not done, except
//! that a failed sync drops what it should have made durable ([`PowerCutDisk::fail_sync`]).

use std::io::{self, IoSlice};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard};

use crate::disk::{About, Disk, DiskFile};
use crate::testing::power_cut::PowerCutDisk;

/// Files take room in units of this.
const BLOCK_BYTES: u64 = 512;

/// What can be made to fail, and is counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
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
    /// Creating a file.
    Create,
    /// Creating a folder.
    CreateFolder,
    /// Listing a folder.
    List,
    /// Moving a file or folder.
    Rename,
    /// Giving a file a second name.
    Link,
    /// Removing a file or folder.
    Remove,
    /// Cutting a file off, or making it longer.
    Truncate,
    /// Asking what there is.
    About,
}

impl Operation {
    /// All of them.
    pub const ALL: [Operation; 13] = [
        Operation::Open,
        Operation::Read,
        Operation::Write,
        Operation::Sync,
        Operation::SyncFolder,
        Operation::Create,
        Operation::CreateFolder,
        Operation::List,
        Operation::Rename,
        Operation::Link,
        Operation::Remove,
        Operation::Truncate,
        Operation::About,
    ];
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

/// Hears of every operation before it is done.
type Listen = dyn FnMut(Operation, &Path) + Send;

struct Listener(Box<Listen>);

impl std::fmt::Debug for Listener {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Listener")
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
    listener: Option<Listener>,
    failures: u64,
    /// Operations until the machine stops.
    stops_after: Option<u64>,
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

    /// The machine stops after so many operations: nothing reaches the disk any more, and nothing
    /// can be read.
    pub fn stop_after(&self, operations: u64) {
        self.lock().stops_after = Some(operations);
    }

    /// Whether the machine has stopped.
    pub fn has_stopped(&self) -> bool {
        self.lock().stops_after == Some(0)
    }

    /// `listener` hears of every operation from now on; none is kept for [`FaultyDisk::count`].
    pub fn listen(&self, listener: impl FnMut(Operation, &Path) + Send + 'static) {
        self.lock().listener = Some(Listener(Box::new(listener)));
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
        state.stop()?;
        match &mut state.listener {
            Some(listener) => (listener.0)(operation, path),
            None => state.done.push((operation, path.to_owned())),
        }
        if !state.is_to_fail(operation, path) {
            return Ok(());
        }
        state.failures += 1;
        if matches!(operation, Operation::Sync | Operation::SyncFolder) {
            self.inner.fail_sync(path, state.failures)?;
        }
        Err(input_output_error())
    }

    /// Refuses what takes room where there is none.
    fn begin_with_room(&self, operation: Operation, path: &Path) -> io::Result<()> {
        self.begin(operation, path)?;
        if self.room()? == 0 { Err(io::ErrorKind::StorageFull.into()) } else { Ok(()) }
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

impl State {
    fn stop(&mut self) -> io::Result<()> {
        match &mut self.stops_after {
            Some(0) => Err(input_output_error()),
            Some(left) => {
                *left -= 1;
                if *left == 0 { Err(input_output_error()) } else { Ok(()) }
            }
            None => Ok(()),
        }
    }

    fn is_to_fail(&mut self, operation: Operation, path: &Path) -> bool {
        for fault in &mut self.faults {
            if fault.operation != operation || !is_meant(path, &fault.name) || fault.times == 0 {
                continue;
            }
            if fault.after > 0 {
                fault.after -= 1;
                continue;
            }
            fault.times -= 1;
            return true;
        }
        false
    }
}

fn input_output_error() -> io::Error {
    io::Error::from_raw_os_error(rustix::io::Errno::IO.raw_os_error())
}

fn is_meant(path: &Path, name: &str) -> bool {
    path.to_string_lossy().contains(name)
}

#[deny(clippy::missing_trait_methods)]
impl Disk for FaultyDisk {
    fn create_folder(&self, path: &Path) -> io::Result<()> {
        self.begin_with_room(Operation::CreateFolder, path)?;
        self.inner.create_folder(path)
    }

    fn create(&self, path: &Path) -> io::Result<Arc<dyn DiskFile>> {
        self.begin_with_room(Operation::Create, path)?;
        Ok(self.wrap(path, self.inner.create(path)?))
    }

    fn open(&self, path: &Path) -> io::Result<Arc<dyn DiskFile>> {
        self.begin(Operation::Open, path)?;
        Ok(self.wrap(path, self.inner.open(path)?))
    }

    fn view(&self, path: &Path) -> io::Result<Arc<dyn DiskFile>> {
        self.begin(Operation::Open, path)?;
        Ok(self.wrap(path, self.inner.view(path)?))
    }

    fn list(&self, folder: &Path) -> io::Result<Vec<String>> {
        self.begin(Operation::List, folder)?;
        self.inner.list(folder)
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.begin(Operation::Rename, to)?;
        self.inner.rename(from, to)
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        self.begin(Operation::Remove, path)?;
        self.inner.remove(path)
    }

    fn remove_folder(&self, path: &Path) -> io::Result<()> {
        self.begin(Operation::Remove, path)?;
        self.inner.remove_folder(path)
    }

    fn sync_folder(&self, path: &Path) -> io::Result<()> {
        self.begin(Operation::SyncFolder, path)?;
        self.inner.sync_folder(path)
    }

    fn lock(&self, path: &Path) -> io::Result<Arc<dyn DiskFile>> {
        self.begin(Operation::Create, path)?;
        self.inner.lock(path)
    }

    fn open_alone(&self, path: &Path) -> io::Result<Arc<dyn DiskFile>> {
        self.begin(Operation::Open, path)?;
        if self.inner.about(path).is_err() {
            self.begin_with_room(Operation::Create, path)?;
        }
        Ok(self.wrap(path, self.inner.open_alone(path)?))
    }

    fn link(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.begin_with_room(Operation::Link, to)?;
        self.inner.link(from, to)
    }

    fn about(&self, path: &Path) -> io::Result<About> {
        self.begin(Operation::About, path)?;
        self.inner.about(path)
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
        self.disk.begin(Operation::Truncate, &self.path)?;
        let longer = length.saturating_sub(self.file.len()?.next_multiple_of(BLOCK_BYTES));
        if longer > self.disk.room()?.max(BLOCK_BYTES) {
            return Err(io::ErrorKind::StorageFull.into());
        }
        self.file.truncate(length)
    }

    fn sync(&self) -> io::Result<()> {
        self.disk.begin(Operation::Sync, &self.path)?;
        self.file.sync()
    }
}
