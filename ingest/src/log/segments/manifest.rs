//! What a stream is, apart from its records: one small file, replaced as a whole.
//!
//! ```text
//! gallop-manifest 1 crc32c=0f1e2d3c
//! { "name": .., "created_at": .., "settings": .., "shards": [..], "incarnation": .., "oldest_segment": ..,
//!   "horizon": .., "keys": [..], "synced": .. }
//! ```

use std::path::Path;

use model::clock::Timestamp;
use model::name::StreamName;
use model::stream::settings::StreamSettings;
use model::stream::shard::ShardMap;
use model::stream::store::StreamDescription;
use serde::{Deserialize, Serialize};

use crate::log::error::LogError;
use crate::log::files::file::{self, Disk};
use crate::log::files::replace::replace;
use crate::log::frames::key::{KeyRing, StreamKey};

/// The manifest's name in the stream's folder.
pub const MANIFEST: &str = "manifest";

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

    /// Replaces the file; durable when this returns.
    pub fn save(&self, disk: &dyn Disk, folder: &Path) -> Result<(), LogError> {
        let json = serde_json::to_string_pretty(self).expect("a manifest is plain data");
        let text = format!("{}{json}\n", first_line(&json));
        replace(disk, folder, MANIFEST, text.as_bytes())
    }

    /// Reads and checks the file.
    pub fn load(disk: &dyn Disk, folder: &Path) -> Result<Manifest, LogError> {
        let bytes = file::read_all(disk, &folder.join(MANIFEST)).map_err(LogError::io("reading the manifest"))?;
        let damaged = |reason: &str| LogError::damaged(MANIFEST, 0, reason);
        let text = std::str::from_utf8(&bytes).map_err(|_| damaged("it is not text"))?;
        let (line, json) = text.split_once('\n').ok_or_else(|| damaged("it has no first line"))?;
        let json = json.strip_suffix('\n').ok_or_else(|| damaged("its last line has no end"))?;
        if first_line(json).trim_end() != line {
            return Err(damaged("its checksum does not fit, or its version is unknown"));
        }
        let manifest: Manifest =
            serde_json::from_str(json).map_err(|error| damaged(&format!("it does not read: {error}")))?;
        if manifest.key_in_use().map(|key| &key.name) != manifest.settings.encryption_key.as_ref() {
            return Err(damaged("the key in use is not the one that the settings name"));
        }
        Ok(manifest)
    }
}

fn first_line(json: &str) -> String {
    format!("gallop-manifest 1 crc32c={:08x}\n", crc32c::crc32c(json.as_bytes()))
}
