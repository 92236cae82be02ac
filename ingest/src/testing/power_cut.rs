//! A disk in memory that forgets what was not synced when its power is cut.
//!
//! Writes, truncations and changes of folders take effect at once for the running program, and wait in a list of their
//! own until the file or folder is synced. A power cut keeps a random choice of what waits: each change is kept, lost,
//! or, for a write, torn: a prefix of it, or any choice of its sectors. A file may be longer than what was kept of its
//! writes; the gap reads as zeros.

use std::collections::BTreeMap;
use std::io;
use std::path::{Component, Path};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};

use crate::log::files::file::{Disk, LogFile};

/// What is written as a unit when a write is torn.
const SECTOR_BYTES: usize = 512;

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

/// Everything on the disk, and what is not durable yet.
#[derive(Debug, Clone)]
pub struct State {
    nodes: Vec<Node>,
}

#[derive(Debug, Clone)]
enum Node {
    Folder { now: BTreeMap<String, usize>, durable: BTreeMap<String, usize>, waiting: Vec<FolderChange> },
    File { now: Vec<u8>, durable: Vec<u8>, waiting: Vec<FileChange> },
}

#[derive(Debug, Clone)]
enum FolderChange {
    Add(String, usize),
    Remove(String),
    Rename(String, String, usize),
}

#[derive(Debug, Clone)]
enum FileChange {
    Write(usize, Vec<u8>),
    Truncate(usize),
}

impl Default for State {
    fn default() -> Self {
        State { nodes: vec![Node::folder()] }
    }
}

impl Node {
    fn folder() -> Node {
        Node::Folder { now: BTreeMap::new(), durable: BTreeMap::new(), waiting: Vec::new() }
    }
}

impl FolderChange {
    fn apply(&self, entries: &mut BTreeMap<String, usize>) {
        match self {
            FolderChange::Add(name, node) => drop(entries.insert(name.clone(), *node)),
            FolderChange::Remove(name) => drop(entries.remove(name)),
            FolderChange::Rename(from, to, node) => {
                entries.remove(from);
                entries.insert(to.clone(), *node);
            }
        }
    }
}

impl FileChange {
    fn apply(&self, bytes: &mut Vec<u8>) {
        match self {
            FileChange::Write(offset, written) => put(bytes, *offset, written),
            FileChange::Truncate(length) => bytes.resize(*length, 0),
        }
    }

    /// Keeps, loses or tears the change.
    fn apply_at_random(&self, bytes: &mut Vec<u8>, random: &mut impl FnMut() -> u64) {
        match (self, random() % 4) {
            (_, 0) => {}
            (FileChange::Write(offset, written), 1) => {
                let kept = random() as usize % (written.len() + 1);
                put(bytes, *offset, &written[..kept]);
            }
            (FileChange::Write(offset, written), 2) => {
                let mut at = 0;
                while at < written.len() {
                    let end = written.len().min(at + SECTOR_BYTES - (offset + at) % SECTOR_BYTES);
                    if random().is_multiple_of(2) {
                        put(bytes, offset + at, &written[at..end]);
                    }
                    at = end;
                }
            }
            _ => self.apply(bytes),
        }
    }
}

fn put(bytes: &mut Vec<u8>, offset: usize, written: &[u8]) {
    let end = offset + written.len();
    if bytes.len() < end {
        bytes.resize(end, 0);
    }
    bytes[offset..end].copy_from_slice(written);
}

/// A stream of random numbers (splitmix64), so that a seed repeats a power cut.
fn random_from(seed: u64) -> impl FnMut() -> u64 {
    let mut state = seed;
    move || {
        state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = state;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }
}

impl State {
    /// What is there after a power cut; `seed` chooses what survives of what was not synced.
    pub fn after_power_cut(&self, seed: u64) -> State {
        let mut random = random_from(seed);
        let nodes = self.nodes.iter().map(|node| match node {
            Node::Folder { durable, waiting, .. } => {
                let mut now = durable.clone();
                for change in waiting {
                    if random().is_multiple_of(2) {
                        change.apply(&mut now);
                    }
                }
                Node::Folder { durable: now.clone(), now, waiting: Vec::new() }
            }
            Node::File { durable, waiting, .. } => {
                let mut now = durable.clone();
                for change in waiting {
                    change.apply_at_random(&mut now, &mut random);
                }
                Node::File { durable: now.clone(), now, waiting: Vec::new() }
            }
        });
        State { nodes: nodes.collect() }
    }

    fn find(&self, path: &Path) -> io::Result<usize> {
        let mut at = 0;
        for part in path.components() {
            let Component::Normal(name) = part else { continue };
            let Node::Folder { now, .. } = &self.nodes[at] else { return Err(io::ErrorKind::NotADirectory.into()) };
            at = *now.get(&*name.to_string_lossy()).ok_or(io::ErrorKind::NotFound)?;
        }
        Ok(at)
    }

    fn change_folder(&mut self, path: &Path, change: impl FnOnce(String) -> FolderChange) -> io::Result<()> {
        let folder = self.find(path.parent().ok_or(io::ErrorKind::InvalidInput)?)?;
        let name = path.file_name().ok_or(io::ErrorKind::InvalidInput)?.to_string_lossy().into_owned();
        let Node::Folder { now, waiting, .. } = &mut self.nodes[folder] else {
            return Err(io::ErrorKind::NotADirectory.into());
        };
        let change = change(name);
        change.apply(now);
        waiting.push(change);
        Ok(())
    }

    fn file(&mut self, node: usize) -> (&mut Vec<u8>, &mut Vec<u8>, &mut Vec<FileChange>) {
        match &mut self.nodes[node] {
            Node::File { now, durable, waiting } => (now, durable, waiting),
            Node::Folder { .. } => panic!("a file stays a file"),
        }
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

    /// Flips one bit of a file, as a failing disk would.
    pub fn flip_bit(&self, path: &Path, bit: usize) -> io::Result<()> {
        let mut state = self.lock();
        let node = state.find(path)?;
        let (now, durable, _) = state.file(node);
        for bytes in [now, durable] {
            if let Some(byte) = bytes.get_mut(bit / 8) {
                *byte ^= 1 << (bit % 8);
            }
        }
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

    fn handle(&self, node: usize) -> Arc<dyn LogFile> {
        Arc::new(PowerCutFile { disk: self.clone(), node })
    }
}

impl Disk for PowerCutDisk {
    fn create_folder(&self, path: &Path) -> io::Result<()> {
        self.change(|state| {
            if state.find(path).is_ok() {
                return Err(io::ErrorKind::AlreadyExists.into());
            }
            let node = state.nodes.len();
            state.change_folder(path, |name| FolderChange::Add(name, node))?;
            state.nodes.push(Node::folder());
            Ok(())
        })
    }

    fn create(&self, path: &Path) -> io::Result<Arc<dyn LogFile>> {
        let node = self.change(|state| {
            if let Ok(node) = state.find(path) {
                let (now, _, waiting) = state.file(node);
                now.clear();
                waiting.push(FileChange::Truncate(0));
                return Ok(node);
            }
            let node = state.nodes.len();
            state.change_folder(path, |name| FolderChange::Add(name, node))?;
            state.nodes.push(Node::File { now: Vec::new(), durable: Vec::new(), waiting: Vec::new() });
            Ok(node)
        })?;
        Ok(self.handle(node))
    }

    fn open(&self, path: &Path) -> io::Result<Arc<dyn LogFile>> {
        let node = self.lock().find(path)?;
        Ok(self.handle(node))
    }

    fn list(&self, folder: &Path) -> io::Result<Vec<String>> {
        let state = self.lock();
        match &state.nodes[state.find(folder)?] {
            Node::Folder { now, .. } => Ok(now.keys().cloned().collect()),
            Node::File { .. } => Err(io::ErrorKind::NotADirectory.into()),
        }
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        assert_eq!(from.parent(), to.parent(), "the log only renames within a folder");
        self.change(|state| {
            let node = state.find(from)?;
            let from = from.file_name().ok_or(io::ErrorKind::InvalidInput)?.to_string_lossy().into_owned();
            state.change_folder(to, |to| FolderChange::Rename(from, to, node))
        })
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        self.change(|state| {
            state.find(path)?;
            state.change_folder(path, FolderChange::Remove)
        })
    }

    fn remove_folder(&self, path: &Path) -> io::Result<()> {
        self.remove(path)
    }

    fn sync_folder(&self, path: &Path) -> io::Result<()> {
        self.change(|state| {
            let node = state.find(path)?;
            if let Node::Folder { now, durable, waiting } = &mut state.nodes[node] {
                durable.clone_from(now);
                waiting.clear();
            }
            Ok(())
        })
    }

    /// Locks nobody out: a test opens the same disk again and again.
    fn lock(&self, path: &Path) -> io::Result<Arc<dyn LogFile>> {
        self.create(path)
    }
}

#[derive(Debug)]
struct PowerCutFile {
    disk: PowerCutDisk,
    node: usize,
}

impl LogFile for PowerCutFile {
    fn len(&self) -> io::Result<u64> {
        Ok(self.disk.lock().file(self.node).0.len() as u64)
    }

    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<()> {
        let mut state = self.disk.lock();
        let (now, _, _) = state.file(self.node);
        let begin = usize::try_from(offset).unwrap_or(usize::MAX);
        let range = begin..begin.saturating_add(buffer.len());
        buffer.copy_from_slice(now.get(range).ok_or(io::ErrorKind::UnexpectedEof)?);
        Ok(())
    }

    fn write_at(&self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        self.disk.change(|state| {
            let (now, _, waiting) = state.file(self.node);
            let change = FileChange::Write(offset as usize, bytes.to_vec());
            change.apply(now);
            waiting.push(change);
            Ok(())
        })
    }

    fn truncate(&self, length: u64) -> io::Result<()> {
        self.disk.change(|state| {
            let (now, _, waiting) = state.file(self.node);
            let change = FileChange::Truncate(length as usize);
            change.apply(now);
            waiting.push(change);
            Ok(())
        })
    }

    fn sync(&self) -> io::Result<()> {
        drop(self.disk.hold_syncs());
        self.disk.shared.syncs.fetch_add(1, Ordering::Relaxed);
        self.disk.change(|state| {
            let (now, durable, waiting) = state.file(self.node);
            durable.clone_from(now);
            waiting.clear();
            Ok(())
        })
    }
}
