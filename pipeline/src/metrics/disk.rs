//! Counts what the log writes and syncs, at its file seam.

use std::io::{self, IoSlice};
use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use model::disk::{About, Disk, DiskFile};
use prometheus::{Histogram, IntCounter, IntCounterVec};

use super::families::{Families, NONE};

/// Figures of the log's files.
#[derive(Debug, Clone)]
pub(crate) struct DiskMeters {
    writes: IntCounter,
    written: IntCounter,
    sync_seconds: Histogram,
    failures: IntCounterVec,
}

impl DiskMeters {
    pub(crate) fn new(families: &mut Families) -> Self {
        let writes =
            families.counter("gallop_log_writes_total", &[], "Writes to files of the log, one for each group.");
        let written = families.counter("gallop_log_written_bytes_total", &[], "Bytes written to files of the log.");
        let sync_seconds = families.seconds("gallop_log_sync_duration_seconds", &[], "Time until a write was on disk.");
        let failures = families.counter(
            "gallop_log_disk_failures_total",
            &["operation"],
            "Reads, writes and syncs of the log's files that failed.",
        );
        DiskMeters {
            writes: writes.with_label_values(&NONE),
            written: written.with_label_values(&NONE),
            sync_seconds: sync_seconds.with_label_values(&NONE),
            failures,
        }
    }

    fn note<T>(&self, operation: &str, result: io::Result<T>) -> io::Result<T> {
        if result.is_err() {
            self.failures.with_label_values(&[operation]).inc();
        }
        result
    }
}

/// A disk whose calls are counted.
#[derive(Debug)]
pub(crate) struct CountedDisk {
    inner: Arc<dyn Disk>,
    meters: DiskMeters,
}

impl CountedDisk {
    pub(crate) fn new(inner: Arc<dyn Disk>, meters: DiskMeters) -> Self {
        CountedDisk { inner, meters }
    }

    fn counted(&self, file: Arc<dyn DiskFile>) -> Arc<dyn DiskFile> {
        Arc::new(CountedFile { inner: file, meters: self.meters.clone() })
    }
}

#[deny(clippy::missing_trait_methods)]
impl Disk for CountedDisk {
    fn create_folder(&self, path: &Path) -> io::Result<()> {
        self.inner.create_folder(path)
    }

    fn create(&self, path: &Path) -> io::Result<Arc<dyn DiskFile>> {
        Ok(self.counted(self.inner.create(path)?))
    }

    fn open(&self, path: &Path) -> io::Result<Arc<dyn DiskFile>> {
        Ok(self.counted(self.inner.open(path)?))
    }

    fn view(&self, path: &Path) -> io::Result<Arc<dyn DiskFile>> {
        Ok(self.counted(self.inner.view(path)?))
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
        self.meters.note("sync", self.inner.sync_folder(path))
    }

    fn lock(&self, path: &Path) -> io::Result<Arc<dyn DiskFile>> {
        self.inner.lock(path)
    }

    fn open_alone(&self, path: &Path) -> io::Result<Arc<dyn DiskFile>> {
        Ok(self.counted(self.inner.open_alone(path)?))
    }

    fn link(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.inner.link(from, to)
    }

    fn about(&self, path: &Path) -> io::Result<About> {
        self.inner.about(path)
    }
}

#[derive(Debug)]
struct CountedFile {
    inner: Arc<dyn DiskFile>,
    meters: DiskMeters,
}

impl CountedFile {
    fn wrote(&self, bytes: usize, result: io::Result<()>) -> io::Result<()> {
        self.meters.note("write", result)?;
        self.meters.writes.inc();
        self.meters.written.inc_by(bytes as u64);
        Ok(())
    }
}

#[deny(clippy::missing_trait_methods)]
impl DiskFile for CountedFile {
    fn len(&self) -> io::Result<u64> {
        self.inner.len()
    }

    fn is_empty(&self) -> io::Result<bool> {
        self.inner.is_empty()
    }

    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<()> {
        self.meters.note("read", self.inner.read_at(offset, buffer))
    }

    fn read_onto(&self, offset: u64, length: usize, into: &mut Vec<u8>) -> io::Result<()> {
        self.meters.note("read", self.inner.read_onto(offset, length, into))
    }

    fn write_at(&self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        self.wrote(bytes.len(), self.inner.write_at(offset, bytes))
    }

    fn write_vectored_at(&self, offset: u64, parts: &[IoSlice<'_>]) -> io::Result<()> {
        let bytes = parts.iter().map(|part| part.len()).sum();
        self.wrote(bytes, self.inner.write_vectored_at(offset, parts))
    }

    fn truncate(&self, length: u64) -> io::Result<()> {
        self.meters.note("write", self.inner.truncate(length))
    }

    fn sync(&self) -> io::Result<()> {
        let begin = Instant::now();
        let synced = self.meters.note("sync", self.inner.sync());
        self.meters.sync_seconds.observe(begin.elapsed().as_secs_f64());
        synced
    }
}
