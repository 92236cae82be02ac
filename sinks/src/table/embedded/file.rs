//! The file under the tables, and how it comes back after trouble with the disk.
//!
//! After any failed read or write redb answers nothing any more until its file is opened anew. Where
//! the disk was full or could not be read, that is done here, at the next call: what was being
//! written was never committed. After a failed sync it is not: what the system holds in memory may
//! not be what is on the disk. Only the next start recovers that, and it does not believe the page
//! cache either ([`recover`](super::recover)).

use std::io;
use std::ops::Bound;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use model::disk::{Disk, DiskFile};
use redb::{BackendError, Database, StorageBackend};
use tracing::warn;

use super::recover::{mark_unclean, open_recovered};

/// What the store keeps of its file in memory.
const CACHE_BYTES_MAX: usize = 64 << 20;

/// The file, open.
pub(super) struct TablesFile {
    disk: Arc<dyn Disk>,
    path: PathBuf,
    open: Mutex<Open>,
}

struct Open {
    /// None while the file cannot be opened.
    database: Option<Arc<Database>>,
    health: Arc<Health>,
}

/// What has failed since the file was opened.
#[derive(Debug, Default)]
struct Health {
    failed: AtomicBool,
    sync_failed: AtomicBool,
}

impl TablesFile {
    /// Opens the file, or creates it, and recovers it after a process that did not close it.
    pub(super) fn open(disk: Arc<dyn Disk>, path: &Path) -> Result<Self, redb::Error> {
        let file = open_recovered(&*disk, path)?;
        Ok(TablesFile { disk, path: path.to_owned(), open: Mutex::new(Open::new(file)?) })
    }

    /// What is in it. Error: it cannot be opened anew yet; or others still use what has failed, and let go of it soon.
    pub(super) fn database(&self) -> Result<Arc<Database>, redb::Error> {
        let mut open = self.open.lock().expect("no holder of the lock panics");
        if open.health.is_passing() {
            if let Some(failed) = open.database.take() {
                open.database = Arc::try_unwrap(failed).err();
            }
            if open.database.is_none() {
                // Every sync of this process succeeded, so what it reads is what is on the disk.
                *open = Open::new(self.disk.open_alone(&self.path)?)?;
                warn!(file = %self.path.display(), "tables reopened after a disk failure");
            }
        }
        open.database.clone().ok_or(redb::Error::PreviousIo)
    }
}

impl Open {
    fn new(file: Arc<dyn DiskFile>) -> Result<Self, redb::Error> {
        let health = Arc::new(Health::default());
        let watched = WatchedFile { file: Mutex::new(Some(file)), health: Arc::clone(&health) };
        let database = Database::builder().set_cache_size(CACHE_BYTES_MAX).create_with_backend(watched)?;
        Ok(Open { database: Some(Arc::new(database)), health })
    }
}

impl Health {
    /// Whether something failed that opening the file anew may mend.
    fn is_passing(&self) -> bool {
        self.failed.load(Ordering::Acquire) && !self.sync_failed.load(Ordering::Acquire)
    }

    fn note<T>(&self, done: io::Result<T>) -> io::Result<T> {
        if done.is_err() {
            self.failed.store(true, Ordering::Release);
        }
        done
    }
}

/// A file that notes what fails. Nobody else has it, so redb's own locks are not needed.
#[derive(Debug)]
struct WatchedFile {
    /// None once it is closed.
    file: Mutex<Option<Arc<dyn DiskFile>>>,
    health: Arc<Health>,
}

impl WatchedFile {
    fn file(&self) -> io::Result<Arc<dyn DiskFile>> {
        let file = self.file.lock().expect("no holder of the lock panics");
        file.clone().ok_or_else(|| io::Error::other("the file is closed"))
    }
}

impl StorageBackend for WatchedFile {
    fn len(&self) -> io::Result<u64> {
        self.health.note(self.file()?.len())
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        self.health.note(self.file()?.read_at(offset, out))
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.health.note(self.file()?.truncate(len))
    }

    fn sync_data(&self) -> io::Result<()> {
        let file = self.file()?;
        file.sync().inspect_err(|_| {
            self.health.sync_failed.store(true, Ordering::Release);
            mark_unclean(&*file);
        })
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        self.health.note(self.file()?.write_at(offset, data))
    }

    fn close(&self) -> io::Result<()> {
        drop(self.file.lock().expect("no holder of the lock panics").take());
        Ok(())
    }

    fn try_lock_range(&self, _: Bound<u64>, _: Bound<u64>) -> Result<bool, BackendError> {
        Ok(true)
    }

    fn try_lock_shared_range(&self, _: Bound<u64>, _: Bound<u64>) -> Result<bool, BackendError> {
        Ok(true)
    }

    fn lock_range(&self, _: Bound<u64>, _: Bound<u64>) -> Result<(), BackendError> {
        Ok(())
    }

    fn lock_shared_range(&self, _: Bound<u64>, _: Bound<u64>) -> Result<(), BackendError> {
        Ok(())
    }

    fn unlock_range(&self, _: Bound<u64>, _: Bound<u64>) -> Result<(), BackendError> {
        Ok(())
    }

    fn query_lock_range(&self, _: Bound<u64>, _: Bound<u64>) -> Result<bool, BackendError> {
        Ok(false)
    }
}
