//! Temporary files of a process for SQL: a folder of its own, which is looked at while it runs and removed when it ends.

use std::fs::DirBuilder;
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use analytics::worker::process::WorkerLimit;

/// What the names of all such folders begin with; the server's process and a number follow.
const PREFIX: &str = "gallop-sql-";
/// Numbers that are tried for a folder.
const TRIES_MAX: u32 = 100;

/// How much a query may write there.
#[derive(Debug, Clone, Copy)]
pub(super) struct SpillBounds {
    /// Bytes of all files.
    pub(super) bytes_max: u64,
    /// Bytes that stay free for others.
    pub(super) room_bytes_min: u64,
}

/// A folder for temporary files.
#[derive(Debug)]
pub(super) struct Spills {
    folder: PathBuf,
    bounds: SpillBounds,
}

impl Spills {
    /// Creates a folder below `place` that nobody else may read.
    pub(super) fn create(place: &Path, bounds: SpillBounds) -> io::Result<Spills> {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        let mut tries = 0;
        loop {
            let number = NEXT.fetch_add(1, Ordering::Relaxed);
            let folder = place.join(format!("{PREFIX}{}-{number}", std::process::id()));
            match DirBuilder::new().mode(0o700).create(&folder) {
                Ok(()) => return Ok(Spills { folder, bounds }),
                // Left behind by a process that had this one's number.
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists && tries < TRIES_MAX => tries += 1,
                Err(error) => return Err(error),
            }
        }
    }

    /// Where it is.
    pub(super) fn folder(&self) -> &Path {
        &self.folder
    }

    /// The bound that is exceeded, if one is. Whoever writes nothing may do so on a full disk.
    pub(super) fn over(&self) -> Option<WorkerLimit> {
        let bytes = bytes_in(&self.folder);
        if bytes == 0 {
            return None;
        }
        let SpillBounds { bytes_max, room_bytes_min } = self.bounds;
        if bytes_max < bytes {
            return Some(WorkerLimit::TempBytes(bytes_max));
        }
        let disk = rustix::fs::statvfs(&self.folder).ok()?;
        (disk.f_bavail.saturating_mul(disk.f_frsize) < room_bytes_min).then_some(WorkerLimit::TempRoom(room_bytes_min))
    }
}

impl Drop for Spills {
    fn drop(&mut self) {
        // A folder that cannot be removed now is removed at the next start.
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

/// Bytes of all files below a folder. What vanishes in the meantime counts for nothing.
fn bytes_in(folder: &Path) -> u64 {
    let Ok(entries) = std::fs::read_dir(folder) else { return 0 };
    let bytes = entries.flatten().filter_map(|entry| {
        let known = entry.metadata().ok()?;
        Some(if known.is_dir() { bytes_in(&entry.path()) } else { known.len() })
    });
    bytes.sum()
}

/// Removes the folders of servers that did not live to do so.
pub(super) fn remove_left_behind(place: &Path) {
    let Ok(entries) = std::fs::read_dir(place) else { return };
    for entry in entries.flatten() {
        if entry.file_name().to_str().and_then(owner).is_some_and(|process| !is_running(process)) {
            // That of another user stays.
            let _ = std::fs::remove_dir_all(entry.path());
        }
    }
}

/// The process in a folder's name.
fn owner(name: &str) -> Option<u32> {
    let (process, number) = name.strip_prefix(PREFIX)?.split_once('-')?;
    number.parse::<u64>().ok()?;
    process.parse().ok()
}

fn is_running(process: u32) -> bool {
    let Some(process) = i32::try_from(process).ok().and_then(rustix::process::Pid::from_raw) else { return false };
    // One that may not be asked is there.
    rustix::process::test_kill_process(process) != Err(rustix::io::Errno::SRCH)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_is_measured_and_goes_with_its_owner() {
        let place = tempfile::tempdir().expect("a scratch folder");
        let bounds = SpillBounds { bytes_max: 100, room_bytes_min: 0 };
        let spills = Spills::create(place.path(), bounds).expect("a folder");
        assert_eq!(spills.over(), None);
        let below = spills.folder().join("datafusion-1");
        std::fs::create_dir(&below).expect("a folder");
        std::fs::write(below.join("a"), [0; 100]).expect("a file");
        assert_eq!(spills.over(), None);
        std::fs::write(below.join("b"), [0; 1]).expect("a file");
        assert_eq!(spills.over(), Some(WorkerLimit::TempBytes(100)));
        let full = Spills {
            folder: spills.folder().to_owned(),
            bounds: SpillBounds { bytes_max: 1000, room_bytes_min: u64::MAX },
        };
        assert_eq!(full.over(), Some(WorkerLimit::TempRoom(u64::MAX)));
        drop(spills);
        assert!(!below.exists());
    }

    #[test]
    fn only_folders_of_ended_servers_are_left_behind() {
        let place = tempfile::tempdir().expect("a scratch folder");
        let make = |name: &str| std::fs::create_dir(place.path().join(name)).expect("a folder");
        let own = format!("{PREFIX}{}-7", std::process::id());
        // No process has this number: it is over the system's bound.
        for name in ["gallop-sql-2147483000-0", &own, "gallop-sql-notes", "gallop-sql-2147483000-x", "other"] {
            make(name);
        }
        remove_left_behind(place.path());
        let mut left: Vec<_> = std::fs::read_dir(place.path())
            .expect("it is there")
            .map(|entry| entry.expect("an entry").file_name().into_string().expect("a plain name"))
            .collect();
        left.sort();
        let mut kept = ["gallop-sql-2147483000-x", own.as_str(), "gallop-sql-notes", "other"];
        kept.sort_unstable();
        assert_eq!(left, kept);
    }
}
