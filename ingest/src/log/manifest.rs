//! What a stream is, apart from its records: one small file, replaced as a whole.
//!
//! ```text
//! gallop-manifest 1 crc32c=0f1e2d3c
//! { "name": .., "created_at": .., "settings": .., "shards": [..], "incarnation": .., "oldest_segment": ..,
//!   "horizon": .., "synced": .. }
//! ```

use std::path::Path;

use model::clock::Timestamp;
use model::name::StreamName;
use model::shard::ShardMap;
use model::stream_settings::StreamSettings;
use model::stream_store::StreamDescription;
use serde::{Deserialize, Serialize};

use crate::log::error::LogError;
use crate::log::file::{self, Disk};

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
    /// Its shards.
    pub shards: ShardMap,
    /// Tells this stream's frames from those of an earlier one of the same name.
    pub incarnation: u64,
    /// Segments below it are dropped; their files may still be there.
    pub oldest_segment: u64,
    /// Records that arrived before it are past retention, wherever they stand.
    #[serde(default)]
    pub horizon: Timestamp,
    /// Everything up to here was durable when the manifest was written: what is damaged below it is not a torn write.
    pub synced: Synced,
}

/// A place in the log up to which all is durable.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Synced {
    /// The segment.
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

    /// Replaces the file; durable when this returns.
    pub fn save(&self, disk: &dyn Disk, folder: &Path) -> Result<(), LogError> {
        let json = serde_json::to_string_pretty(self).expect("a manifest is plain data");
        let text = format!("{}{json}\n", first_line(&json));
        file::replace(disk, folder, MANIFEST, text.as_bytes())
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
        serde_json::from_str(json).map_err(|error| damaged(&format!("it does not read: {error}")))
    }
}

fn first_line(json: &str) -> String {
    format!("gallop-manifest 1 crc32c={:08x}\n", crc32c::crc32c(json.as_bytes()))
}
