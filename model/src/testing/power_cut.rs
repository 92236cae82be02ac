//! A disk in memory that forgets what was not synced when its power is cut.
//!
//! Writes, truncations and changes of folders take effect at once for the running program, and wait in a list of their
//! own until the file or folder is synced. A power cut keeps a random choice of what waits: each change is kept, lost,
//! or, for a write, torn: a prefix of it, or any choice of its sectors. A file may be longer than what was kept of its
//! writes; the gap reads as zeros.
//!
//! A sync that fails does what it does on Linux: what waited is dropped from the list, though reads still see it.

use std::io;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};

use crate::disk::{About, Disk, DiskFile};
use crate::testing::disk_state::{FileChange, State};

/// The disk. Clones share it.
#[derive(Debug, Clone, Default)]
pub struct PowerCutDisk {
    shared: Arc<Shared>,
}

#[derive(Debug, Default)]
struct Shared {
    state: Mutex<State>,
    syncs: AtomicU64,
    held: Mutex<()>,
    observer: Mutex<Option<Observer>>,
}

struct Observer(Box<dyn FnMut(&State) + Send>);

impl std::fmt::Debug for Observer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Observer")
    }
}

impl PowerCutDisk {
    /// A disk that holds `state`.
    pub fn with(state: State) -> Self {
        let disk = PowerCutDisk::default();
        *disk.lock() = state;
        disk
    }

    /// What is on it now.
    pub fn state(&self) -> State {
        self.lock().clone()
    }

    /// Calls `observer` after every change and every sync, with what is on the disk then.
    pub fn observe(&self, observer: impl FnMut(&State) + Send + 'static) {
        *self.shared.observer.lock().expect("no holder of the lock panics") = Some(Observer(Box::new(observer)));
    }

    /// How often a file was synced.
    pub fn syncs(&self) -> u64 {
        self.shared.syncs.load(Ordering::Relaxed)
    }

    /// Makes file syncs wait until the guard is dropped.
    pub fn hold_syncs(&self) -> MutexGuard<'_, ()> {
        self.shared.held.lock().expect("no holder of the lock panics")
    }

    /// Does to the file or folder at `path` what a failed sync does. `seed` chooses what reached the disk before it
    /// failed.
    pub fn fail_sync(&self, path: &Path, seed: u64) -> io::Result<()> {
        self.change(|state| {
            let node = state.find(path)?;
            state.fail_sync(node, seed);
            Ok(())
        })
    }

    /// Flips one bit of a file, as a failing disk would.
    pub fn flip_bit(&self, path: &Path, bit: usize) -> io::Result<()> {
        let mut state = self.lock();
        let node = state.find(path)?;
        state.flip_bit(node, bit);
        Ok(())
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.shared.state.lock().expect("no holder of the lock panics")
    }

    fn change<T>(&self, change: impl FnOnce(&mut State) -> io::Result<T>) -> io::Result<T> {
        let mut state = self.lock();
        let result = change(&mut state)?;
        if let Some(observer) = &mut *self.shared.observer.lock().expect("no holder of the lock panics") {
            (observer.0)(&state);
        }
        Ok(result)
    }

    fn handle(&self, node: usize) -> Arc<dyn DiskFile> {
        Arc::new(PowerCutFile { disk: self.clone(), node })
    }
}

impl Disk for PowerCutDisk {
    fn create_folder(&self, path: &Path) -> io::Result<()> {
        self.change(|state| state.create_folder(path))
    }

    fn create(&self, path: &Path) -> io::Result<Arc<dyn DiskFile>> {
        let node = self.change(|state| state.create_file(path))?;
        Ok(self.handle(node))
    }

    fn open(&self, path: &Path) -> io::Result<Arc<dyn DiskFile>> {
        let node = self.lock().find(path)?;
        Ok(self.handle(node))
    }

    fn view(&self, path: &Path) -> io::Result<Arc<dyn DiskFile>> {
        self.open(path)
    }

    fn list(&self, folder: &Path) -> io::Result<Vec<String>> {
        self.lock().list(folder)
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.change(|state| state.rename(from, to))
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        self.change(|state| state.remove(path))
    }

    fn remove_folder(&self, path: &Path) -> io::Result<()> {
        self.remove(path)
    }

    fn sync_folder(&self, path: &Path) -> io::Result<()> {
        self.change(|state| {
            let node = state.find(path)?;
            state.sync(node);
            Ok(())
        })
    }

    /// Locks nobody out: a test opens the same disk again and again.
    fn lock(&self, path: &Path) -> io::Result<Arc<dyn DiskFile>> {
        self.create(path)
    }

    /// Locks nobody out either.
    fn open_alone(&self, path: &Path) -> io::Result<Arc<dyn DiskFile>> {
        let found = self.lock().find(path);
        match found {
            Err(error) if error.kind() == io::ErrorKind::NotFound => self.create(path),
            found => Ok(self.handle(found?)),
        }
    }

    fn link(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.change(|state| state.link(from, to))
    }

    fn about(&self, path: &Path) -> io::Result<About> {
        self.lock().about(path)
    }
}

#[derive(Debug)]
struct PowerCutFile {
    disk: PowerCutDisk,
    node: usize,
}

impl PowerCutFile {
    fn change(&self, change: FileChange) -> io::Result<()> {
        self.disk.change(|state| {
            state.change_file(self.node, change);
            Ok(())
        })
    }
}

impl DiskFile for PowerCutFile {
    fn len(&self) -> io::Result<u64> {
        Ok(self.disk.lock().content(self.node).len() as u64)
    }

    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<()> {
        let state = self.disk.lock();
        let begin = usize::try_from(offset).unwrap_or(usize::MAX);
        let range = begin..begin.saturating_add(buffer.len());
        buffer.copy_from_slice(state.content(self.node).get(range).ok_or(io::ErrorKind::UnexpectedEof)?);
        Ok(())
    }

    fn write_at(&self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        self.change(FileChange::Write(offset as usize, bytes.to_vec()))
    }

    fn truncate(&self, length: u64) -> io::Result<()> {
        self.change(FileChange::Truncate(length as usize))
    }

    fn sync(&self) -> io::Result<()> {
        drop(self.disk.hold_syncs());
        self.disk.shared.syncs.fetch_add(1, Ordering::Relaxed);
        self.disk.change(|state| {
            state.sync(self.node);
            Ok(())
        })
    }
}
