//! What is on a disk in memory: files and folders as the running program sees them, what of it is
//! durable, and the changes in between, of which a power cut keeps a random choice.

use std::collections::BTreeMap;
use std::io;
use std::ops::Range;
use std::path::{Component, Path};

use crate::disk::{About, Kind};

/// What is written as a unit when a write is torn.
const SECTOR_BYTES: usize = 512;

/// Everything on the disk, and what is not durable yet.
#[derive(Debug, Clone)]
pub struct State {
    nodes: Vec<Node>,
}

#[derive(Debug, Clone)]
enum Node {
    Folder {
        now: BTreeMap<String, usize>,
        durable: BTreeMap<String, usize>,
        waiting: Vec<FolderChange>,
    },
    File {
        now: Vec<u8>,
        durable: Vec<u8>,
        waiting: Vec<FileChange>,
        /// Where a write was lost: later writes to the same place are lost too.
        lost: Vec<Range<usize>>,
    },
}

#[derive(Debug, Clone)]
enum FolderChange {
    Add(String, usize),
    Remove(String),
    Rename(String, String, usize),
}

/// A change of a file.
#[derive(Debug, Clone)]
pub(super) enum FileChange {
    /// At an offset.
    Write(usize, Vec<u8>),
    /// To a length.
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

    /// Keeps or loses the change.
    fn apply_at_random(&self, entries: &mut BTreeMap<String, usize>, random: &mut impl FnMut() -> u64) {
        if random().is_multiple_of(2) {
            self.apply(entries);
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

    /// Makes the change on the disk with `apply`, except where writes are lost. Cutting a file off
    /// gives its places back.
    fn reach(&self, durable: &mut Vec<u8>, lost: &mut Vec<Range<usize>>, apply: impl FnOnce(&mut Vec<u8>)) {
        if lost.is_empty() {
            return apply(durable);
        }
        let old = durable.clone();
        apply(durable);
        match self {
            FileChange::Write(..) => {
                let length = durable.len();
                for at in lost.iter().cloned().flatten().filter(|at| *at < length) {
                    durable[at] = old.get(at).copied().unwrap_or(0);
                }
            }
            FileChange::Truncate(length) => {
                lost.retain(|range| range.start < *length);
                lost.iter_mut().for_each(|range| range.end = range.end.min(*length));
            }
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
                    change.apply_at_random(&mut now, &mut random);
                }
                Node::Folder { durable: now.clone(), now, waiting: Vec::new() }
            }
            Node::File { durable, waiting, lost, .. } => {
                let (mut now, mut lost) = (durable.clone(), lost.clone());
                for change in waiting {
                    change.reach(&mut now, &mut lost, |bytes| change.apply_at_random(bytes, &mut random));
                }
                Node::File { durable: now.clone(), now, waiting: Vec::new(), lost: Vec::new() }
            }
        });
        State { nodes: nodes.collect() }
    }

    /// The node at `path`.
    pub(super) fn find(&self, path: &Path) -> io::Result<usize> {
        let mut at = 0;
        for part in path.components() {
            let Component::Normal(name) = part else { continue };
            let Node::Folder { now, .. } = &self.nodes[at] else { return Err(io::ErrorKind::NotADirectory.into()) };
            at = *now.get(&*name.to_string_lossy()).ok_or(io::ErrorKind::NotFound)?;
        }
        Ok(at)
    }

    /// Names in the folder at `path`.
    pub(super) fn list(&self, path: &Path) -> io::Result<Vec<String>> {
        match &self.nodes[self.find(path)?] {
            Node::Folder { now, .. } => Ok(now.keys().cloned().collect()),
            Node::File { .. } => Err(io::ErrorKind::NotADirectory.into()),
        }
    }

    /// Creates an empty folder.
    pub(super) fn create_folder(&mut self, path: &Path) -> io::Result<()> {
        if self.find(path).is_ok() {
            return Err(io::ErrorKind::AlreadyExists.into());
        }
        self.add(path, Node::folder()).map(drop)
    }

    /// Creates an empty file, or empties the one that is there.
    pub(super) fn create_file(&mut self, path: &Path) -> io::Result<usize> {
        let Ok(node) = self.find(path) else {
            return self
                .add(path, Node::File { now: Vec::new(), durable: Vec::new(), waiting: Vec::new(), lost: Vec::new() });
        };
        self.change_file(node, FileChange::Truncate(0));
        Ok(node)
    }

    fn add(&mut self, path: &Path, node: Node) -> io::Result<usize> {
        let number = self.nodes.len();
        self.change_folder(path, |name| FolderChange::Add(name, number))?;
        self.nodes.push(node);
        Ok(number)
    }

    /// Moves what is at `from`. A power cut may keep both names of what was moved to another folder.
    pub(super) fn rename(&mut self, from: &Path, to: &Path) -> io::Result<()> {
        let node = self.find(from)?;
        if from.parent() != to.parent() {
            self.change_folder(to, |to| FolderChange::Add(to, node))?;
            return self.change_folder(from, FolderChange::Remove);
        }
        let from = from.file_name().ok_or(io::ErrorKind::InvalidInput)?.to_string_lossy().into_owned();
        self.change_folder(to, |to| FolderChange::Rename(from, to, node))
    }

    /// Gives the file at `from` a second name.
    pub(super) fn link(&mut self, from: &Path, to: &Path) -> io::Result<()> {
        let node = self.find(from)?;
        if self.find(to).is_ok() {
            return Err(io::ErrorKind::AlreadyExists.into());
        }
        self.change_folder(to, |name| FolderChange::Add(name, node))
    }

    /// What is at `path`.
    pub(super) fn about(&self, path: &Path) -> io::Result<About> {
        let (kind, bytes) = match &self.nodes[self.find(path)?] {
            Node::Folder { .. } => (Kind::Folder, 0),
            Node::File { now, .. } => (Kind::File, now.len() as u64),
        };
        Ok(About { kind, bytes, changed_at: None })
    }

    /// Removes the name at `path`.
    pub(super) fn remove(&mut self, path: &Path) -> io::Result<()> {
        self.find(path)?;
        self.change_folder(path, FolderChange::Remove)
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

    /// Changes a file.
    pub(super) fn change_file(&mut self, node: usize, change: FileChange) {
        let Node::File { now, waiting, .. } = &mut self.nodes[node] else { panic!("a file stays a file") };
        change.apply(now);
        waiting.push(change);
    }

    /// A file as the running program sees it.
    pub(super) fn content(&self, node: usize) -> &[u8] {
        let Node::File { now, .. } = &self.nodes[node] else { panic!("a file stays a file") };
        now
    }

    /// Flips one bit of a file, both on the disk and in memory.
    pub(super) fn flip_bit(&mut self, node: usize, bit: usize) {
        let Node::File { now, durable, .. } = &mut self.nodes[node] else { panic!("a file stays a file") };
        for bytes in [now, durable] {
            if let Some(byte) = bytes.get_mut(bit / 8) {
                *byte ^= 1 << (bit % 8);
            }
        }
    }

    /// A failed sync, as on Linux: some of what waits may have reached the disk, and none of it
    /// waits any more. The running program still sees all of it, and a later sync succeeds without
    /// making it durable; as on ext4, not even if the same place is written again.
    pub(super) fn fail_sync(&mut self, node: usize, seed: u64) {
        let mut random = random_from(seed);
        match &mut self.nodes[node] {
            Node::Folder { durable, waiting, .. } => {
                waiting.drain(..).for_each(|change| change.apply_at_random(durable, &mut random));
            }
            Node::File { durable, waiting, lost, .. } => {
                for change in waiting.drain(..) {
                    change.reach(durable, lost, |bytes| change.apply_at_random(bytes, &mut random));
                    if let FileChange::Write(offset, written) = &change {
                        lost.push(*offset..offset + written.len());
                    }
                }
            }
        }
    }

    /// Makes durable what waits. Nothing else: what a failed sync dropped stays lost.
    pub(super) fn sync(&mut self, node: usize) {
        match &mut self.nodes[node] {
            Node::Folder { durable, waiting, .. } => waiting.drain(..).for_each(|change| change.apply(durable)),
            Node::File { durable, waiting, lost, .. } => {
                waiting.drain(..).for_each(|change| change.reach(durable, lost, |bytes| change.apply(bytes)));
            }
        }
    }
}
