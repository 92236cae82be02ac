//! An archive in a folder: the object `a/b/c.json` is the file `a/b/c.json`, readable by anything.
//!
//! ```text
//! .tmp/7-3  ──write, fsync──▶  link without replace  ──▶  a/b/c.json  ──▶  fsync a/b, a, .  ──▶  remove .tmp/7-3
//! ```
//!
//! A reader sees a whole object or none. A power cut leaves at most files in `.tmp`, which the next
//! opening removes. A folder cannot hold both `a` and `a/b`: the later of the two is refused.
//!
//! **After a failed sync** a name may stand in memory alone, where every later sync succeeds without
//! writing it. So what was begun is taken back, and the next try begins anew. An object that is there
//! already is replaced by a copy of itself before anybody is told that it lasts: whoever put it may
//! have died before that was certain.

use std::collections::HashSet;
use std::io;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::process;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{SystemTime, UNIX_EPOCH};

use async_trait::async_trait;
use bytes::Bytes;
use model::archive::name::UNFINISHED;
use model::archive::store::{Archive, ArchiveError, ObjectMeta, ObjectName, PutOutcome};
use model::blocking::blocking_io;
use model::disk::{Disk, Kind, StdDisk, read_all};
use model::folders::{self, FolderError};

/// Folders remembered as durable; beyond this many they are synced anew, which is only slower.
const SYNCED_FOLDERS_MAX: usize = 4096;
/// Number of the process's next temporary file.
static TMP_NEXT: AtomicU64 = AtomicU64::new(0);

/// Objects as files below a folder.
#[derive(Debug, Clone)]
pub struct FolderArchive(Arc<Folder>);

#[derive(Debug)]
struct Folder {
    disk: Arc<dyn Disk>,
    root: PathBuf,
    /// Keeps temporary names of several writers of one folder apart.
    writer: String,
    /// Folders whose own entry in their parent is durable.
    synced: Mutex<HashSet<PathBuf>>,
    /// Held while an object gets its name, so that what a failed sync takes back is nobody else's.
    placing: Mutex<()>,
}

impl FolderArchive {
    /// Opens the archive, creating the folder where it is missing, and removes what a crash left in
    /// `.tmp`. Error: [`ArchiveError::Unavailable`].
    pub fn open(root: impl Into<PathBuf>) -> Result<Self, ArchiveError> {
        let root = root.into();
        // Absolute, so that a later change of the working directory does not move the archive.
        let absolute = std::path::absolute(&root);
        let root = absolute.map_err(|source| unavailable(format!("opening `{}`", root.display()), source))?;
        FolderArchive::open_on(Arc::new(StdDisk), root)
    }

    /// The same on `disk`; `root` is absolute.
    #[expect(clippy::disallowed_methods, reason = "a name that no other opening has, not a time")]
    pub fn open_on(disk: Arc<dyn Disk>, root: PathBuf) -> Result<Self, ArchiveError> {
        let unfinished = root.join(UNFINISHED);
        folders::make(&*disk, &root)
            .and_then(|()| folders::make(&*disk, &unfinished))
            .map_err(|FolderError { doing, source }| unavailable(doing, source))?;
        let leftovers = disk.list(&unfinished);
        for leftover in leftovers.map_err(|source| unavailable(format!("opening `{}`", root.display()), source))? {
            // A writer whose file disappears under it fails and tries again: nothing is lost.
            let path = unfinished.join(leftover);
            if let Err(error) = disk.remove(&path) {
                tracing::warn!(path = %path.display(), %error, "leftover of a crash cannot be removed");
            }
        }
        let opened_at = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_nanos();
        let writer = format!("{}-{opened_at}", process::id());
        Ok(FolderArchive(Arc::new(Folder { disk, root, writer, synced: Mutex::default(), placing: Mutex::default() })))
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

/// What a get found.
enum Got {
    /// All the bytes that were asked for.
    Whole(Bytes),
    /// No object of that name.
    Missing,
    /// An object of `bytes`, which `range` is not inside.
    OutOfRange { bytes: u64, range: Range<u64> },
}

fn is_missing(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory)
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
        let tmp = self.temporary();
        let outcome = self.write_new(&tmp, body).and_then(|()| self.place(&tmp, &path));
        if let Err(error) = self.disk.remove(&tmp)
            && error.kind() != io::ErrorKind::NotFound
        {
            tracing::warn!(path = %tmp.display(), %error, "temporary file cannot be removed");
        }
        outcome
    }

    /// Gives the file `tmp` the object's name. After a failure there is nothing new.
    fn place(&self, tmp: &Path, path: &Path) -> io::Result<PutOutcome> {
        let _one = self.placing.lock().expect("no holder of the lock panics");
        let parent = path.parent().expect("an object stands in a folder");
        let mut created = Vec::new();
        let placed = self.create_folders(parent, &mut created).and_then(|()| match self.disk.link(tmp, path) {
            Ok(()) => self.sync_up(parent).map(|()| PutOutcome::Created).inspect_err(|_| {
                let _ = self.disk.remove(path);
            }),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                self.replace_by_copy(path)?;
                self.sync_up(parent).map(|()| PutOutcome::AlreadyThere)
            }
            Err(error) => Err(error),
        });
        if placed.is_err() {
            for folder in created.iter().rev() {
                let _ = self.disk.remove_folder(folder);
                self.synced().remove(folder);
            }
        }
        placed
    }

    fn synced(&self) -> MutexGuard<'_, HashSet<PathBuf>> {
        self.synced.lock().expect("no holder of the lock panics")
    }

    /// A name that nobody else has.
    fn temporary(&self) -> PathBuf {
        let number = TMP_NEXT.fetch_add(1, Ordering::Relaxed);
        self.root.join(UNFINISHED).join(format!("{}-{number}", self.writer))
    }

    fn write_new(&self, path: &Path, body: &[u8]) -> io::Result<()> {
        let file = self.disk.create(path)?;
        file.write_at(0, body)?;
        file.sync()
    }

    /// Readers find the object all the time.
    fn replace_by_copy(&self, path: &Path) -> io::Result<()> {
        if self.disk.about(path)?.kind != Kind::File {
            return Err(io::Error::new(io::ErrorKind::AlreadyExists, "a folder has the object's name"));
        }
        let tmp = self.temporary();
        let copied = read_all(&*self.disk, path)
            .and_then(|body| self.write_new(&tmp, &body))
            .and_then(|()| self.disk.rename(&tmp, path));
        copied.inspect_err(|_| {
            let _ = self.disk.remove(&tmp);
        })
    }

    /// Creates `folder` and those around it, where they are missing, and adds them to `created`.
    fn create_folders(&self, folder: &Path, created: &mut Vec<PathBuf>) -> io::Result<()> {
        for folder in folders::missing(&*self.disk, folder) {
            match self.disk.create_folder(&folder) {
                Ok(()) => created.push(folder),
                // Another process was quicker.
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// Makes the entries of `folder` durable, and its own entry, up to the root.
    fn sync_up(&self, folder: &Path) -> io::Result<()> {
        self.disk.sync_folder(folder)?;
        let mut at = folder;
        while at != self.root && !self.synced().contains(at) {
            let parent = at.parent().expect("objects stand below the root");
            self.disk.sync_folder(parent)?;
            let mut synced = self.synced();
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
            let segments = match self.disk.list(&self.root.join(&folder)) {
                Ok(segments) => segments,
                Err(error) if is_missing(&error) => continue,
                Err(error) => return Err(error),
            };
            for segment in segments {
                let name = if folder.is_empty() { segment } else { format!("{folder}/{segment}") };
                let leads_there = name.starts_with(prefix) || prefix.starts_with(&format!("{name}/"));
                if !leads_there || name == UNFINISHED {
                    continue;
                }
                let about = match self.disk.about(&self.root.join(&name)) {
                    Ok(about) => about,
                    // Deleted meanwhile.
                    Err(error) if is_missing(&error) => continue,
                    Err(error) => return Err(error),
                };
                match (about.kind, ObjectName::new(&name)) {
                    (Kind::Folder, _) => folders.push(name),
                    (Kind::File, Ok(name)) => {
                        objects.push(ObjectMeta { name, bytes: about.bytes, written_at: about.changed_at });
                    }
                    (Kind::File | Kind::Other, _) => {}
                }
            }
        }
        objects.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(objects)
    }

    fn get(&self, name: &ObjectName, range: Option<Range<u64>>) -> io::Result<Got> {
        let path = self.path_of(name)?;
        let file = match self.disk.about(&path).and_then(|about| match about.kind {
            Kind::Folder => Err(io::ErrorKind::NotFound.into()),
            Kind::File | Kind::Other => self.disk.open(&path),
        }) {
            Ok(file) => file,
            Err(error) if is_missing(&error) => return Ok(Got::Missing),
            Err(error) => return Err(error),
        };
        let bytes = file.len()?;
        let range = range.unwrap_or(0..bytes);
        if range.end < range.start || bytes < range.end {
            return Ok(Got::OutOfRange { bytes, range });
        }
        let length = usize::try_from(range.end - range.start).map_err(io::Error::other)?;
        let mut body = Vec::new();
        file.read_onto(range.start, length, &mut body)?;
        Ok(Got::Whole(body.into()))
    }

    fn delete(&self, name: &ObjectName) -> io::Result<()> {
        let path = self.path_of(name)?;
        match self.disk.remove(&path) {
            Ok(()) => self.disk.sync_folder(path.parent().expect("an object stands in a folder")),
            Err(error) if is_missing(&error) => Ok(()),
            Err(error) => Err(error),
        }
    }
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

    use std::fs;

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
