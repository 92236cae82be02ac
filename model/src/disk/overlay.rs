//! A disk over one that takes no writes: what is written stands in memory, and nothing below
//! changes.
//!
//! A server on a read-only file system opens its files through it. What the start has to put right,
//! such as the end of a log that was not closed, is put right in memory. Then the overlay is
//! sealed, and refuses every further change as the file system would.
//!
//! ```text
//! files of the overlay     | page 3' |      | page 9' |     pages that differ, at most ROOM_BYTES_MAX
//! disk below           | page 0 | page 1 | page 2 | page 3 | ..
//! ```
//!
//! New files are small, so that memory does not run out: whoever writes a large file again, because
//! it may stand in the page cache alone, is told that the disk is full and writes it in its place.
//! The same bytes in the same place cost nothing. Two names of one file below are two files above.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::clock::Timestamp;
use crate::disk::layer::{Layer, LayerLimits, read_only};
use crate::disk::{About, Disk, DiskFile, Kind};

/// The disk. Clones share it.
#[derive(Debug, Clone)]
pub struct OverlayDisk {
    base: Arc<dyn Disk>,
    shared: Arc<Shared>,
}

#[derive(Debug, Default)]
struct Shared {
    names: Mutex<BTreeMap<PathBuf, Name>>,
    limits: Arc<LayerLimits>,
}

/// What the overlay knows of a name; of all others the disk below knows more.
#[derive(Debug, Clone)]
enum Name {
    File(Arc<Layer>),
    Folder,
    Gone,
}

impl OverlayDisk {
    /// Nothing is changed yet.
    pub fn new(base: Arc<dyn Disk>) -> Self {
        OverlayDisk { base, shared: Arc::default() }
    }

    /// One of which nothing can be changed.
    pub fn sealed(base: Arc<dyn Disk>) -> Self {
        let disk = OverlayDisk::new(base);
        disk.seal();
        disk
    }

    /// Refuses every change from now on. What was changed before stays, in memory.
    pub fn seal(&self) {
        self.shared.limits.seal();
    }

    fn names(&self) -> MutexGuard<'_, BTreeMap<PathBuf, Name>> {
        self.shared.names.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The names, to change them.
    fn changing(&self) -> io::Result<MutexGuard<'_, BTreeMap<PathBuf, Name>>> {
        self.shared.limits.check()?;
        Ok(self.names())
    }

    fn kind(&self, names: &BTreeMap<PathBuf, Name>, path: &Path) -> io::Result<Kind> {
        match names.get(path) {
            Some(Name::File(_)) => Ok(Kind::File),
            Some(Name::Folder) => Ok(Kind::Folder),
            Some(Name::Gone) => Err(io::ErrorKind::NotFound.into()),
            None => Ok(self.base.about(path)?.kind),
        }
    }

    /// The file under a name. One of the disk below is not held open for being looked at.
    fn layer(&self, names: &BTreeMap<PathBuf, Name>, path: &Path) -> io::Result<Arc<Layer>> {
        match names.get(path) {
            Some(Name::File(layer)) => Ok(Arc::clone(layer)),
            Some(Name::Folder) => Err(io::ErrorKind::IsADirectory.into()),
            Some(Name::Gone) => Err(io::ErrorKind::NotFound.into()),
            None => Ok(Layer::over(self.base.view(path)?, &self.shared.limits)?),
        }
    }

    fn handle(&self, path: &Path, layer: Arc<Layer>) -> Arc<dyn DiskFile> {
        Arc::new(OverlayFile { disk: self.clone(), path: path.to_owned(), layer })
    }

    /// An error if no name can be put beside `path`.
    fn check_parent(&self, names: &BTreeMap<PathBuf, Name>, path: &Path) -> io::Result<()> {
        match self.kind(names, path.parent().unwrap_or(Path::new("/")))? {
            Kind::Folder => Ok(()),
            _ => Err(io::ErrorKind::NotADirectory.into()),
        }
    }

    fn new_file(&self, names: &mut BTreeMap<PathBuf, Name>, path: &Path) -> io::Result<Arc<dyn DiskFile>> {
        self.check_parent(names, path)?;
        let layer = match self.layer(names, path) {
            Ok(layer) => layer,
            Err(error) if error.kind() == io::ErrorKind::NotFound => Arc::new(Layer::empty(&self.shared.limits)),
            Err(error) => return Err(error),
        };
        layer.truncate(0);
        names.insert(path.to_owned(), Name::File(Arc::clone(&layer)));
        Ok(self.handle(path, layer))
    }
}

impl Disk for OverlayDisk {
    fn create_folder(&self, path: &Path) -> io::Result<()> {
        let mut names = self.changing()?;
        match self.kind(&names, path) {
            Ok(_) => Err(io::ErrorKind::AlreadyExists.into()),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                self.check_parent(&names, path)?;
                names.insert(path.to_owned(), Name::Folder);
                Ok(())
            }
            Err(error) => Err(error),
        }
    }

    fn create(&self, path: &Path) -> io::Result<Arc<dyn DiskFile>> {
        self.new_file(&mut *self.changing()?, path)
    }

    fn open(&self, path: &Path) -> io::Result<Arc<dyn DiskFile>> {
        let layer = self.layer(&self.names(), path)?;
        Ok(self.handle(path, layer))
    }

    fn view(&self, path: &Path) -> io::Result<Arc<dyn DiskFile>> {
        self.open(path)
    }

    fn list(&self, folder: &Path) -> io::Result<Vec<String>> {
        let names = self.names();
        let mut found = match names.get(folder) {
            Some(Name::Folder) => Vec::new(),
            Some(Name::File(_)) => return Err(io::ErrorKind::NotADirectory.into()),
            Some(Name::Gone) => return Err(io::ErrorKind::NotFound.into()),
            None => self.base.list(folder)?,
        };
        found.retain(|name| !names.contains_key(&folder.join(name)));
        let own = names.iter().filter(|(path, name)| path.parent() == Some(folder) && !matches!(name, Name::Gone));
        found.extend(own.filter_map(|(path, _)| Some(path.file_name()?.to_string_lossy().into_owned())));
        Ok(found)
    }

    /// Files alone: no start moves a folder.
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        let mut names = self.changing()?;
        if self.kind(&names, from)? != Kind::File {
            return Err(read_only());
        }
        self.check_parent(&names, to)?;
        let layer = self.layer(&names, from)?;
        names.insert(from.to_owned(), Name::Gone);
        names.insert(to.to_owned(), Name::File(layer));
        Ok(())
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        let mut names = self.changing()?;
        match self.kind(&names, path)? {
            Kind::Folder => Err(io::ErrorKind::IsADirectory.into()),
            _ => {
                names.insert(path.to_owned(), Name::Gone);
                Ok(())
            }
        }
    }

    fn remove_folder(&self, path: &Path) -> io::Result<()> {
        if !self.list(path)?.is_empty() {
            return Err(io::ErrorKind::DirectoryNotEmpty.into());
        }
        self.changing()?.insert(path.to_owned(), Name::Gone);
        Ok(())
    }

    fn sync_folder(&self, path: &Path) -> io::Result<()> {
        self.kind(&self.names(), path).map(drop)
    }

    /// Locks nobody out: who has a read-only file system can change nothing of it.
    fn lock(&self, path: &Path) -> io::Result<Arc<dyn DiskFile>> {
        self.create(path)
    }

    fn open_alone(&self, path: &Path) -> io::Result<Arc<dyn DiskFile>> {
        let mut names = self.changing()?;
        match self.layer(&names, path) {
            Ok(layer) => Ok(self.handle(path, layer)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => self.new_file(&mut names, path),
            Err(error) => Err(error),
        }
    }

    fn link(&self, from: &Path, to: &Path) -> io::Result<()> {
        let mut names = self.changing()?;
        if self.kind(&names, to).is_ok() {
            return Err(io::ErrorKind::AlreadyExists.into());
        }
        self.check_parent(&names, to)?;
        let layer = self.layer(&names, from)?;
        names.insert(from.to_owned(), Name::File(Arc::clone(&layer)));
        names.insert(to.to_owned(), Name::File(layer));
        Ok(())
    }

    fn about(&self, path: &Path) -> io::Result<About> {
        let about = |kind, bytes| About { kind, bytes, changed_at: None::<Timestamp> };
        match self.names().get(path) {
            Some(Name::File(layer)) => Ok(about(Kind::File, layer.len())),
            Some(Name::Folder) => Ok(about(Kind::Folder, 0)),
            Some(Name::Gone) => Err(io::ErrorKind::NotFound.into()),
            None => self.base.about(path),
        }
    }
}

/// An open file.
struct OverlayFile {
    disk: OverlayDisk,
    path: PathBuf,
    layer: Arc<Layer>,
}

impl fmt::Debug for OverlayFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OverlayFile").field("path", &self.path).finish_non_exhaustive()
    }
}

impl OverlayFile {
    /// Before a change: whoever opens the name from now on finds this file.
    fn change(&self) -> io::Result<()> {
        let mut names = self.disk.changing()?;
        if let Entry::Vacant(name) = names.entry(self.path.clone()) {
            name.insert(Name::File(Arc::clone(&self.layer)));
        }
        Ok(())
    }
}

impl DiskFile for OverlayFile {
    fn len(&self) -> io::Result<u64> {
        Ok(self.layer.len())
    }

    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<()> {
        self.layer.read_at(offset, buffer)
    }

    fn write_at(&self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        self.change()?;
        self.layer.write_at(offset, bytes)
    }

    fn truncate(&self, length: u64) -> io::Result<()> {
        self.change()?;
        self.layer.truncate(length);
        Ok(())
    }

    fn sync(&self) -> io::Result<()> {
        self.disk.shared.limits.check()
    }
}

#[cfg(test)]
mod tests;
