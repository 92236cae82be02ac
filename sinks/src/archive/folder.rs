//! An archive in a folder: the object `a/b/c.json` is the file `a/b/c.json`, readable by anything.
//!
//! ```text
//! .tmp/7-3  ──write, fsync──▶  link without replace  ──▶  a/b/c.json  ──▶  fsync a/b, a, .  ──▶  remove .tmp/7-3
//! ```
//!
//! A reader sees a whole object or none. A power cut leaves at most files in `.tmp`, which the next
//! opening removes. A folder cannot hold both `a` and `a/b`: the later of the two is refused.

use std::collections::HashSet;
use std::fs::{self, File};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::process;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{SystemTime, UNIX_EPOCH};

use async_trait::async_trait;
use bytes::Bytes;
use model::archive::name::UNFINISHED;
use model::archive::store::{Archive, ArchiveError, ObjectMeta, ObjectName, PutOutcome};
use model::blocking::blocking_io;
use model::clock::Timestamp;

/// Folders remembered as durable; beyond this many they are synced anew, which is only slower.
const SYNCED_FOLDERS_MAX: usize = 4096;
/// Number of the process's next temporary file.
static TMP_NEXT: AtomicU64 = AtomicU64::new(0);

/// Objects as files below a folder.
#[derive(Debug, Clone)]
pub struct FolderArchive(Arc<Folder>);

#[derive(Debug)]
struct Folder {
    root: PathBuf,
    /// Keeps temporary names of several writers of one folder apart.
    writer: String,
    /// Folders whose own entry in their parent is durable.
    synced: Mutex<HashSet<PathBuf>>,
}

impl FolderArchive {
    /// Opens the archive, creating the folder where it is missing, and removes what a crash left in
    /// `.tmp`. Error: [`ArchiveError::Unavailable`].
    #[expect(clippy::disallowed_methods, reason = "a name that no other opening has, not a time")]
    pub fn open(root: impl Into<PathBuf>) -> Result<Self, ArchiveError> {
        let root = root.into();
        let failed = |source| unavailable(format!("opening `{}`", root.display()), source);
        fs::create_dir_all(root.join(UNFINISHED)).map_err(failed)?;
        for leftover in fs::read_dir(root.join(UNFINISHED)).map_err(failed)? {
            // A writer whose file disappears under it fails and tries again: nothing is lost.
            let path = leftover.map_err(failed)?.path();
            if let Err(error) = fs::remove_file(&path) {
                tracing::warn!(path = %path.display(), %error, "leftover of a crash cannot be removed");
            }
        }
        // Absolute, so that a later change of the working directory does not move the archive.
        let root = root.canonicalize().map_err(failed)?;
        if let Some(parent) = root.parent() {
            sync_folder(parent).map_err(|source| unavailable(format!("syncing `{}`", parent.display()), source))?;
        }
        let opened_at = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_nanos();
        let writer = format!("{}-{opened_at}", process::id());
        let folder = Folder { root, writer, synced: Mutex::default() };
        Ok(FolderArchive(Arc::new(folder)))
    }

    /// The folder.
    pub fn root(&self) -> &Path {
        &self.0.root
    }

    async fn blocking<T: Send + 'static>(
        &self,
        doing: String,
        work: impl FnOnce(&Folder) -> io::Result<T> + Send + 'static,
    ) -> Result<T, ArchiveError> {
        let folder = Arc::clone(&self.0);
        blocking_io(move || work(&folder)).await.map_err(|source| unavailable(doing, source))
    }
}

fn unavailable(doing: String, source: io::Error) -> ArchiveError {
    ArchiveError::Unavailable { doing, source: source.into() }
}

fn sync_folder(folder: &Path) -> io::Result<()> {
    File::open(folder)?.sync_all()
}

/// What a get found.
enum Got {
    /// All the bytes that were asked for.
    Whole(Bytes),
    /// No object of that name.
    Missing,
    /// An object of `bytes`, which `range` is not inside.
    OutOfRange { bytes: u64, range: Range<u64> },
}

impl Folder {
    /// Where the object stands. Names have no `..`, so it is below the root; `.tmp` is ours.
    fn path_of(&self, name: &ObjectName) -> io::Result<PathBuf> {
        if name.as_str().split('/').next() == Some(UNFINISHED) {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "names in `.tmp` are reserved"));
        }
        Ok(self.root.join(name.as_str()))
    }

    fn put(&self, name: &ObjectName, body: &[u8]) -> io::Result<PutOutcome> {
        let path = self.path_of(name)?;
        let parent = path.parent().expect("an object stands in a folder");
        fs::create_dir_all(parent)?;
        let number = TMP_NEXT.fetch_add(1, Ordering::Relaxed);
        let tmp = self.root.join(UNFINISHED).join(format!("{}-{number}", self.writer));
        let outcome = write_new(&tmp, body).and_then(|()| match fs::hard_link(&tmp, &path) {
            Ok(()) => Ok(PutOutcome::Created),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(PutOutcome::AlreadyThere),
            Err(error) => Err(error),
        });
        // Also when the object was there: whoever linked it may have died before making that
        // durable.
        let outcome = outcome.and_then(|outcome| self.sync_up(parent).map(|()| outcome));
        if let Err(error) = fs::remove_file(&tmp)
            && error.kind() != io::ErrorKind::NotFound
        {
            tracing::warn!(path = %tmp.display(), %error, "temporary file cannot be removed");
        }
        outcome
    }

    /// Makes the entries of `folder` durable, and its own entry, up to the root.
    fn sync_up(&self, folder: &Path) -> io::Result<()> {
        sync_folder(folder)?;
        let mut at = folder;
        while at != self.root && !self.synced.lock().expect("no holder of the lock panics").contains(at) {
            let parent = at.parent().expect("objects stand below the root");
            sync_folder(parent)?;
            let mut synced = self.synced.lock().expect("no holder of the lock panics");
            if synced.len() >= SYNCED_FOLDERS_MAX {
                synced.clear();
            }
            synced.insert(at.to_owned());
            at = parent;
        }
        Ok(())
    }

    fn list(&self, prefix: &str) -> io::Result<Vec<ObjectMeta>> {
        // Only the folder that the prefix names can hold matches.
        let base = prefix.rsplit_once('/').map_or("", |(base, _)| base);
        if !base.is_empty() && ObjectName::new(base).is_err() {
            return Ok(Vec::new());
        }
        let mut objects = Vec::new();
        let mut folders = vec![base.to_owned()];
        while let Some(folder) = folders.pop() {
            let entries = match fs::read_dir(self.root.join(&folder)) {
                Ok(entries) => entries,
                Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => {
                    continue;
                }
                Err(error) => return Err(error),
            };
            for entry in entries {
                let entry = entry?;
                let Ok(segment) = entry.file_name().into_string() else { continue };
                let name = if folder.is_empty() { segment } else { format!("{folder}/{segment}") };
                let leads_there = name.starts_with(prefix) || prefix.starts_with(&format!("{name}/"));
                let kind = entry.file_type()?;
                if !leads_there || name == UNFINISHED {
                } else if kind.is_dir() {
                    folders.push(name);
                } else if let (true, Ok(name)) = (kind.is_file(), ObjectName::new(name)) {
                    match entry.metadata() {
                        Ok(metadata) => objects.push(ObjectMeta {
                            name,
                            bytes: metadata.len(),
                            written_at: metadata.modified().ok().map(Timestamp::from),
                        }),
                        // Deleted meanwhile.
                        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                        Err(error) => return Err(error),
                    }
                }
            }
        }
        objects.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(objects)
    }

    fn get(&self, name: &ObjectName, range: Option<Range<u64>>) -> io::Result<Got> {
        let mut file = match File::open(self.path_of(name)?) {
            Ok(file) => file,
            Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => {
                return Ok(Got::Missing);
            }
            Err(error) => return Err(error),
        };
        let metadata = file.metadata()?;
        if metadata.is_dir() {
            return Ok(Got::Missing);
        }
        let bytes = metadata.len();
        let range = range.unwrap_or(0..bytes);
        if range.end < range.start || bytes < range.end {
            return Ok(Got::OutOfRange { bytes, range });
        }
        let length = usize::try_from(range.end - range.start).map_err(io::Error::other)?;
        let mut body = vec![0; length];
        file.seek(SeekFrom::Start(range.start))?;
        file.read_exact(&mut body)?;
        Ok(Got::Whole(body.into()))
    }

    fn delete(&self, name: &ObjectName) -> io::Result<()> {
        let path = self.path_of(name)?;
        match fs::remove_file(&path) {
            Ok(()) => sync_folder(path.parent().expect("an object stands in a folder")),
            Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => Ok(()),
            Err(error) => Err(error),
        }
    }
}

fn write_new(path: &Path, body: &[u8]) -> io::Result<()> {
    let mut file = File::options().write(true).create_new(true).open(path)?;
    file.write_all(body)?;
    file.sync_all()
}

#[async_trait]
impl Archive for FolderArchive {
    async fn put_if_absent(&self, name: &ObjectName, body: Bytes) -> Result<PutOutcome, ArchiveError> {
        let object = name.clone();
        self.blocking(format!("putting `{name}`"), move |folder| folder.put(&object, &body)).await
    }

    async fn list(&self, prefix: &str) -> Result<Vec<ObjectMeta>, ArchiveError> {
        let wanted = prefix.to_owned();
        self.blocking(format!("listing `{prefix}`"), move |folder| folder.list(&wanted)).await
    }

    async fn get(&self, name: &ObjectName, range: Option<Range<u64>>) -> Result<Bytes, ArchiveError> {
        let object = name.clone();
        match self.blocking(format!("getting `{name}`"), move |folder| folder.get(&object, range)).await? {
            Got::Whole(bytes) => Ok(bytes),
            Got::Missing => Err(ArchiveError::NotFound(name.clone())),
            Got::OutOfRange { bytes, range } => Err(ArchiveError::InvalidRange { name: name.clone(), bytes, range }),
        }
    }

    async fn delete(&self, name: &ObjectName) -> Result<(), ArchiveError> {
        let object = name.clone();
        self.blocking(format!("deleting `{name}`"), move |folder| folder.delete(&object)).await
    }
}

#[cfg(test)]
mod tests {
    use model::testing::conformance;

    use super::*;

    fn name(text: &str) -> ObjectName {
        ObjectName::new(text).unwrap()
    }

    #[tokio::test]
    async fn keeps_the_promises_of_archives() {
        let folder = tempfile::tempdir().unwrap();
        let archive = FolderArchive::open(folder.path().join("deep/archive")).unwrap();
        conformance::archive(&archive).await;
        let left = fs::read_dir(archive.root().join(UNFINISHED)).unwrap().count();
        assert_eq!(left, 0, "no temporary file stays");
    }

    #[tokio::test]
    async fn leftovers_of_a_crash_are_no_objects_and_are_removed() {
        let folder = tempfile::tempdir().unwrap();
        let archive = FolderArchive::open(folder.path()).unwrap();
        fs::write(folder.path().join(UNFINISHED).join("1-1"), "half an obj").unwrap();
        archive.put_if_absent(&name("a"), Bytes::from_static(b"x")).await.unwrap();
        let listed = archive.list("").await.unwrap();
        assert_eq!(listed.iter().map(|object| (object.name.as_str(), object.bytes)).collect::<Vec<_>>(), [("a", 1)]);
        assert!(archive.put_if_absent(&name(".tmp/x"), Bytes::new()).await.is_err());
        drop(archive);
        FolderArchive::open(folder.path()).unwrap();
        assert_eq!(fs::read_dir(folder.path().join(UNFINISHED)).unwrap().count(), 0);
    }

    #[tokio::test]
    async fn a_prefix_cannot_lead_out_of_the_archive() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("secret"), "x").unwrap();
        let archive = FolderArchive::open(folder.path().join("archive")).unwrap();
        for prefix in ["../", "/", "..", "/etc/", "a/../../"] {
            assert_eq!(archive.list(prefix).await.unwrap(), [], "{prefix}");
        }
    }

    #[tokio::test]
    async fn a_name_below_an_object_is_refused_and_not_found() {
        let folder = tempfile::tempdir().unwrap();
        let archive = FolderArchive::open(folder.path()).unwrap();
        archive.put_if_absent(&name("a"), Bytes::new()).await.unwrap();
        assert!(archive.put_if_absent(&name("a/b"), Bytes::new()).await.is_err());
        assert!(matches!(archive.get(&name("a/b"), None).await, Err(ArchiveError::NotFound(_))));
        archive.delete(&name("a/b")).await.unwrap();
    }
}
