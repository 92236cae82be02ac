//! The file under the tables, and how it comes back after trouble with the disk.
//!
//! After any failed read or write redb answers nothing any more until its file is opened anew. Where the disk was full
//! or could not be read, that is done here, at the next call: what was being written was never committed. After a failed
//! sync it is not: what the system holds in memory may not be what is on the disk, and only a restart reads that.

use std::fs::{File, OpenOptions};
use std::io;
use std::ops::Bound;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use redb::backends::FileBackend;
use redb::{BackendError, Database, StorageBackend};
use tracing::warn;

/// What the store keeps of its file in memory.
const CACHE_BYTES_MAX: usize = 64 << 20;

/// The file, open.
pub(super) struct TablesFile {
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
    /// Opens the file, or creates it.
    pub(super) fn open(path: &Path) -> Result<Self, redb::Error> {
        Ok(TablesFile { path: path.to_owned(), open: Mutex::new(Open::new(path)?) })
    }

    /// What is in it. Error: it cannot be opened anew yet; or others still use what has failed, and let go of it soon.
    pub(super) fn database(&self) -> Result<Arc<Database>, redb::Error> {
        let mut open = self.open.lock().expect("no holder of the lock panics");
        if open.health.is_passing() {
            if let Some(failed) = open.database.take() {
                open.database = Arc::try_unwrap(failed).err();
            }
            if open.database.is_none() {
                *open = Open::new(&self.path)?;
                warn!(file = %self.path.display(), "tables reopened after a disk failure");
            }
        }
        open.database.clone().ok_or(redb::Error::PreviousIo)
    }
}

impl Open {
    fn new(path: &Path) -> Result<Self, redb::Error> {
        let file = OpenOptions::new().read(true).write(true).create(true).truncate(false).open(path)?;
        let health = Arc::new(Health::default());
        let watched = WatchedFile::new(file, Arc::clone(&health)).map_err(redb::Error::from)?;
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

/// A file that notes what fails.
#[derive(Debug)]
struct WatchedFile {
    file: FileBackend,
    health: Arc<Health>,
}

impl WatchedFile {
    fn new(file: File, health: Arc<Health>) -> Result<Self, redb::DatabaseError> {
        Ok(WatchedFile { file: FileBackend::new(file)?, health })
    }
}

impl StorageBackend for WatchedFile {
    fn len(&self) -> io::Result<u64> {
        self.health.note(self.file.len())
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        self.health.note(self.file.read(offset, out))
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.health.note(self.file.set_len(len))
    }

    fn sync_data(&self) -> io::Result<()> {
        let synced = self.file.sync_data();
        if synced.is_err() {
            self.health.sync_failed.store(true, Ordering::Release);
        }
        synced
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        self.health.note(self.file.write(offset, data))
    }

    fn close(&self) -> io::Result<()> {
        self.file.close()
    }

    fn try_lock_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<bool, BackendError> {
        self.file.try_lock_range(start, end)
    }

    fn try_lock_shared_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<bool, BackendError> {
        self.file.try_lock_shared_range(start, end)
    }

    fn lock_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<(), BackendError> {
        self.file.lock_range(start, end)
    }

    fn lock_shared_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<(), BackendError> {
        self.file.lock_shared_range(start, end)
    }

    fn unlock_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<(), BackendError> {
        self.file.unlock_range(start, end)
    }

    fn query_lock_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<bool, BackendError> {
        self.file.query_lock_range(start, end)
    }
}
