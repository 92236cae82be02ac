//! What a stream is, apart from its records: a small file, replaced as a whole, and a copy of it.
//!
//! ```text
//! gallop-manifest 1 crc32c=0f1e2d3c
//! { "name": .., "created_at": .., "settings": .., "shards": [..], "lives": .., "incarnation": ..,
//!   "oldest_segment": .., "horizon": .., "keys": [..], "losses": [..], "synced": .., "revision": .. }
//! ```
//!
//! A manifest is durable in both files before anybody relies on it. The newest that verifies
//! counts, so one that is lost or damaged costs nothing: it is reported, and written again at the
//! next opening.

use std::path::Path;

use model::clock::Timestamp;
use model::name::StreamName;
use model::stream::lives::Lives;
use model::stream::settings::StreamSettings;
use model::stream::shard::ShardMap;
use model::stream::store::StreamDescription;
use serde::{Deserialize, Serialize};
use tracing::warn;

use crate::log::error::LogError;
use crate::log::files::replace::replace;
use crate::log::files::room;
use crate::log::frames::key::{KeyRing, StreamKey};
use crate::log::frames::lost::{Filled, Loss};
use model::disk::{self, Disk};

/// The manifest's name in the stream's folder.
pub const MANIFEST: &str = "manifest";
/// The name of its copy.
pub const MANIFEST_COPY: &str = "manifest.copy";

/// The content of the file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Manifest {
    /// The stream.
    pub name: StreamName,
    /// When it was created.
    pub created_at: Timestamp,
    /// What it is told to be. Called `options` by those who knew no change of it.
    #[serde(alias = "options")]
    pub settings: StreamSettings,
    pub shards: ShardMap,
    /// Which numbers are this stream's. Manifests without it are of streams that begin at zero.
    #[serde(default)]
    pub lives: Lives,
    /// Tells this stream's frames from those of an earlier one of the same name.
    pub incarnation: u64,
    /// Segments below it are dropped; their files may still be there.
    pub oldest_segment: u64,
    /// Records that arrived before it are past retention, wherever they stand.
    #[serde(default)]
    pub horizon: Timestamp,
    /// What frames may be encrypted with, by number; one of them is in use where the settings name a key.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub keys: Vec<StreamKey>,
    /// Records of kept segments that a repair has given up: readers pass them, and count them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub losses: Vec<Loss>,
    /// Places of kept segments that a repair has filled, or is filling.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub filled: Vec<Filled>,
    /// Counts up with every save: which of two manifests is the newer one.
    #[serde(default)]
    pub revision: u64,
    /// Everything up to here was durable when the manifest was written: what is damaged below it is not a torn write.
    pub synced: Synced,
}

/// A place in the log up to which all is durable.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Synced {
    pub segment: u64,
    /// Bytes of it.
    pub length: u64,
    /// No later record is stamped below this.
    pub floor: Timestamp,
}

impl Manifest {
    /// The stream as the outside sees it.
    pub fn description(&self) -> StreamDescription {
        StreamDescription {
            name: self.name.clone(),
            created_at: self.created_at,
            settings: self.settings.clone(),
            shards: self.shards.clone(),
            lives: self.lives.clone(),
        }
    }

    /// The key that frames are encrypted with from now on, if they are.
    pub fn key_in_use(&self) -> Option<&StreamKey> {
        self.keys.iter().find(|key| key.last_segment.is_none())
    }

    /// Goes on with the key `name`, or with none, in the middle of `segment`. Error: [`LogError::KeyMissing`].
    pub fn go_on_with_key(&mut self, name: Option<&str>, ring: &KeyRing, segment: u64) -> Result<(), LogError> {
        for key in &mut self.keys {
            key.last_segment.get_or_insert(segment);
        }
        let Some(name) = name else { return Ok(()) };
        match self.keys.iter_mut().find(|key| key.name == name) {
            Some(known) => known.last_segment = None,
            None => {
                let is_free = |number: &u16| self.keys.iter().all(|key| key.number != *number);
                let number =
                    (1..=u16::MAX).find(is_free).ok_or_else(|| LogError::KeyMissing { key: name.to_owned() })?;
                self.keys.push(StreamKey::begin(number, name, ring)?);
            }
        }
        Ok(())
    }

    /// Forgets keys that no segment needs any more.
    pub fn forget_keys(&mut self) {
        let oldest = self.oldest_segment;
        self.keys.retain(|key| key.last_segment.is_none_or(|last| oldest <= last));
    }

    /// Forgets losses of segments that are dropped.
    pub fn forget_losses(&mut self) {
        let oldest = self.oldest_segment;
        self.losses.retain(|loss| oldest <= loss.segment);
        self.filled.retain(|filled| oldest <= filled.segment);
    }

    /// Replaces both files; durable when this returns. A disk that has room for one alone keeps one:
    /// an older copy would be taken for the truth once the other is lost.
    pub fn save(&mut self, disk: &dyn Disk, folder: &Path) -> Result<(), LogError> {
        let newer = Manifest { revision: self.revision + 1, ..self.clone() };
        let text = newer.encode();
        replace(disk, folder, MANIFEST, text.as_bytes())?;
        match replace(disk, folder, MANIFEST_COPY, text.as_bytes()) {
            Ok(()) => {}
            Err(LogError::Full { doing }) => {
                warn!(doing, "the stream has one manifest and no copy of it: the disk is full");
                room::discard(disk, folder, MANIFEST_COPY)?;
            }
            Err(failed) => return Err(failed),
        }
        *self = newer;
        Ok(())
    }

    /// Reads and checks both files.
    pub fn load(disk: &dyn Disk, folder: &Path) -> Result<Manifest, LogError> {
        Loaded::of(disk, folder).map(|loaded| loaded.manifest)
    }

    /// The bytes of a file.
    pub fn encode(&self) -> String {
        let json = serde_json::to_string_pretty(self).expect("a manifest is plain data");
        format!("{}{json}\n", first_line(&json))
    }

    /// Reads the bytes of a file. Error: why they are not those of a manifest.
    pub fn decode(bytes: &[u8]) -> Result<Manifest, String> {
        let text = std::str::from_utf8(bytes).map_err(|_| "it is not text")?;
        let (line, json) = text.split_once('\n').ok_or("it has no first line")?;
        let json = json.strip_suffix('\n').ok_or("its last line has no end")?;
        if first_line(json).trim_end() != line {
            return Err("its checksum does not fit, or its version is unknown".to_owned());
        }
        let manifest: Manifest = serde_json::from_str(json).map_err(|error| format!("it does not read: {error}"))?;
        if manifest.key_in_use().map(|key| &key.name) != manifest.settings.encryption_key.as_ref() {
            return Err("the key in use is not the one that the settings name".to_owned());
        }
        Ok(manifest)
    }
}

/// The manifest of a folder, and what is wrong with its files.
#[derive(Debug)]
pub struct Loaded {
    /// The newest one that verifies.
    pub manifest: Manifest,
    /// Files that do not hold it, and why. A folder of a version that knew no copy has none.
    pub wrong: Vec<(&'static str, String)>,
}

impl Loaded {
    /// Reads and checks both files. Error: neither holds a manifest.
    pub fn of(disk: &dyn Disk, folder: &Path) -> Result<Loaded, LogError> {
        let (first, copy) = (read(disk, folder, MANIFEST), read(disk, folder, MANIFEST_COPY));
        let (manifest, wrong) = match (first, copy) {
            (Ok(first), Ok(copy)) if first == copy => (first, None),
            (Ok(first), Ok(copy)) if first.revision < copy.revision => (copy, Some((MANIFEST, OLDER.to_owned()))),
            (Ok(first), Ok(_)) => (first, Some((MANIFEST_COPY, OLDER.to_owned()))),
            (Ok(first), Err(why)) => (first, Some((MANIFEST_COPY, lost(why)?))),
            (Err(why), Ok(copy)) => (copy, Some((MANIFEST, lost(why)?))),
            // A folder of one manifest says what is wrong with that one.
            (Err(why), Err(LogError::Io { source, .. })) if is_lost(&source) => return Err(why),
            (Err(why), Err(of_copy)) => return Err(both(why, of_copy)),
        };
        Ok(Loaded { manifest, wrong: wrong.into_iter().collect() })
    }
}

/// Why a manifest that verifies does not count.
const OLDER: &str = "it is older than the other manifest";

fn read(disk: &dyn Disk, folder: &Path, name: &str) -> Result<Manifest, LogError> {
    let bytes = disk::read_all(disk, &folder.join(name)).map_err(LogError::io(format!("reading {name}")))?;
    Manifest::decode(&bytes).map_err(|reason| LogError::damaged(name, 0, reason))
}

/// Why a file is lost for good: it is damaged or gone, or the disk cannot read it. Error: the system
/// refuses to read it now.
fn lost(why: LogError) -> Result<String, LogError> {
    match why {
        LogError::Damaged { reason, .. } => Ok(reason),
        LogError::Io { source, .. } if is_lost(&source) => Ok(source.to_string()),
        refused => Err(refused),
    }
}

fn both(first: LogError, copy: LogError) -> LogError {
    match (first, copy) {
        (LogError::Damaged { file, offset, reason }, LogError::Damaged { file: copy, reason: of_copy, .. }) => {
            LogError::damaged(file, offset, format!("{reason}; and {copy}: {of_copy}"))
        }
        (first, _) => first,
    }
}

/// Whether another try to read the file will say the same.
fn is_lost(error: &std::io::Error) -> bool {
    let unreadable = rustix::io::Errno::IO.raw_os_error();
    error.kind() == std::io::ErrorKind::NotFound || error.raw_os_error() == Some(unreadable)
}

fn first_line(json: &str) -> String {
    format!("gallop-manifest 1 crc32c={:08x}\n", crc32c::crc32c(json.as_bytes()))
}
