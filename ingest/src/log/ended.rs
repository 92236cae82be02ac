//! The streams of a store that were deleted: one small file beside the streams, replaced as a
//! whole, so that whoever creates a stream of such a name begins above their numbers, and consumers
//! are told what they have not read.
//!
//! ```text
//! gallop-lives 1 crc32c=0f1e2d3c
//! { "above": .., "ended": { NAME: [..] } }
//! ```
//!
//! The file is a help and no more: where it is missing or damaged, the clock alone keeps numbers
//! apart.

use std::collections::BTreeMap;
use std::path::Path;

use model::clock::Timestamp;
use model::name::StreamName;
use model::stream::lives::{EarlierLife, Lives, first_number_at};
use model::stream::sequence_number::SequenceNumber;
use model::stream::shard::SHARDS_MAX;
use serde::{Deserialize, Serialize};
use tracing::warn;

use crate::log::error::LogError;
use crate::log::files::replace::replace;
use model::disk::{self, Disk};

/// The file's name in the store's folder; no stream can have it.
pub(crate) const LIVES: &str = "~lives";
/// The most names that are remembered.
const NAMES_MAX: usize = 1000;
/// So many numbers are left out for a stream whose own cannot be read.
const UNREADABLE_NUMBERS: u64 = 1 << 40;

/// What is remembered.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub(crate) struct EndedStreams {
    /// All numbers of streams that were deleted are below.
    above: SequenceNumber,
    /// By name, oldest first.
    ended: BTreeMap<StreamName, Vec<EarlierLife>>,
}

impl EndedStreams {
    /// Reads the file.
    pub(crate) fn load(disk: &dyn Disk, folder: &Path) -> EndedStreams {
        let bytes = match disk::read_all(disk, &folder.join(LIVES)) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return EndedStreams::default(),
            Err(error) => {
                warn!(file = LIVES, %error, "what is known of deleted streams cannot be read");
                return EndedStreams::default();
            }
        };
        decode(&bytes).unwrap_or_else(|| {
            warn!(file = LIVES, "what is known of deleted streams is damaged, and left out");
            EndedStreams::default()
        })
    }

    /// Replaces the file; durable when this returns.
    pub(crate) fn save(&self, disk: &dyn Disk, folder: &Path) -> Result<(), LogError> {
        Self::write(disk, folder, &serde_json::to_string(self).expect("lives are plain data"))
    }

    /// The same of what is JSON already.
    pub(crate) fn write(disk: &dyn Disk, folder: &Path, json: &str) -> Result<(), LogError> {
        replace(disk, folder, LIVES, format!("{}{json}\n", first_line(json)).as_bytes())
    }

    /// The numbers of a stream that is created now.
    pub(crate) fn begin(&self, name: &StreamName, now: Timestamp) -> Lives {
        let first = first_number_at(now).max(self.above.next());
        Lives::beginning_at(first, self.ended.get(name).cloned().unwrap_or_default())
    }

    /// Remembers a stream that is deleted, with what it knew of earlier ones. Names that `is_taken`
    /// again remember that by themselves.
    pub(crate) fn end(
        &mut self,
        name: &StreamName,
        lives: Lives,
        ended: EarlierLife,
        is_taken: impl Fn(&StreamName) -> bool,
    ) {
        self.above = self.above.max(ended.end());
        self.ended.retain(|name, _| !is_taken(name));
        self.ended.insert(name.clone(), lives.ended(ended));
        let shards = |lives: &[EarlierLife]| lives.iter().map(|life| life.shards.iter().count()).sum::<usize>();
        while self.ended.len() > NAMES_MAX || self.ended.values().map(|lives| shards(lives)).sum::<usize>() > SHARDS_MAX
        {
            let oldest = self.ended.iter().filter(|(other, _)| *other != name);
            let oldest = oldest.min_by_key(|(_, lives)| lives.last().map(|life| life.first));
            let Some(oldest) = oldest.map(|(name, _)| name.clone()) else { return };
            self.ended.remove(&oldest);
        }
    }

    /// Leaves out the numbers of a stream that is deleted and cannot be read.
    pub(crate) fn end_unreadable(&mut self, now: Timestamp) {
        self.above = SequenceNumber(self.above.max(first_number_at(now)).0.saturating_add(UNREADABLE_NUMBERS));
    }
}

fn decode(bytes: &[u8]) -> Option<EndedStreams> {
    let (line, json) = std::str::from_utf8(bytes).ok()?.split_once('\n')?;
    let json = json.strip_suffix('\n')?;
    if first_line(json).trim_end() != line {
        return None;
    }
    serde_json::from_str(json).ok()
}

fn first_line(json: &str) -> String {
    format!("gallop-lives 1 crc32c={:08x}\n", crc32c::crc32c(json.as_bytes()))
}
