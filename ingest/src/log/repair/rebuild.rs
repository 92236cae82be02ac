//! The manifest of a stream, also if both files that hold it are lost: then the one in the head of
//! its newest segment that has one.

use std::path::Path;

use bytes::{Buf, Bytes};
use model::clock::Timestamp;
use model::name::StreamName;

use crate::log::error::LogError;
use crate::log::frames::frame::{HEADER_BYTES, Header, Kind};
use crate::log::frames::head::Head;
use crate::log::frames::place::Place;
use crate::log::repair::salvage;
use crate::log::segments::manifest::{Loaded, MANIFEST, MANIFEST_COPY, Manifest, Synced};
use crate::log::segments::segment::{log_name, segment_of};
use model::disk::Disk;

/// The manifest, and which files do not hold it.
pub(crate) struct FoundManifest {
    pub(crate) manifest: Manifest,
    pub(crate) wrong: Vec<(&'static str, String)>,
    pub(crate) rebuilt_from: Option<(u64, Timestamp)>,
}

impl FoundManifest {
    /// Looks in both files, and then in the heads of segments. Error: what is wrong with the files.
    pub(crate) fn of(disk: &dyn Disk, folder: &Path, name: &StreamName) -> Result<FoundManifest, LogError> {
        let lost = match Loaded::of(disk, folder) {
            Ok(Loaded { manifest, mut wrong }) if manifest.name == *name => {
                // A folder of a version that knew no copy is whole without one.
                wrong.retain(|_| manifest.revision > 0);
                return Ok(FoundManifest { manifest, wrong, rebuilt_from: None });
            }
            Ok(Loaded { manifest, .. }) => {
                let reason = format!("it is the manifest of stream `{}`", manifest.name);
                return Err(LogError::damaged(MANIFEST, 0, reason));
            }
            Err(lost) => lost,
        };
        let rebuilt = rebuild(disk, folder)?.filter(|rebuilt| rebuilt.manifest.name == *name);
        let Some(Rebuilt { manifest, segment, begun_at }) = rebuilt else { return Err(lost) };
        let wrong = [MANIFEST, MANIFEST_COPY].map(|file| (file, lost.in_full()));
        Ok(FoundManifest { manifest, wrong: wrong.into(), rebuilt_from: Some((segment, begun_at)) })
    }
}

/// A manifest, the segment it was found in, and when that was begun.
struct Rebuilt {
    manifest: Manifest,
    segment: u64,
    begun_at: Timestamp,
}

/// Looks for a manifest in the heads of the segments in `folder`. Nothing where none has one:
/// earlier versions kept none there.
fn rebuild(disk: &dyn Disk, folder: &Path) -> Result<Option<Rebuilt>, LogError> {
    let names = disk.list(folder).map_err(LogError::io("listing the stream's folder"))?;
    let logs = names.iter().filter_map(|name| segment_of(name)).filter(|(_, kind)| *kind == "log");
    let mut ids: Vec<u64> = logs.map(|(id, _)| id).collect();
    ids.sort_unstable();
    let (Some(oldest), Some(newest)) = (ids.first().copied(), ids.last().copied()) else { return Ok(None) };
    for segment in ids.into_iter().rev() {
        let bytes = salvage::read(disk, &folder.join(log_name(segment)))?.unwrap_or_default();
        let Some((mut manifest, begun_at)) = in_head(&bytes, segment) else { continue };
        // What was dropped since is not there; how much was durable, nobody knows any more.
        manifest.oldest_segment = manifest.oldest_segment.max(oldest);
        manifest.synced = Synced { segment: newest, length: 0, floor: manifest.synced.floor.max(begun_at) };
        manifest.forget_losses();
        return Ok(Some(Rebuilt { manifest, segment, begun_at }));
    }
    Ok(None)
}

/// The manifest in the head of a segment. Only it says of which stream the segment is, so the head is
/// verified with what it holds.
fn in_head(bytes: &Bytes, segment: u64) -> Option<(Manifest, Timestamp)> {
    let mut length = bytes.get(32..36)?;
    let end = HEADER_BYTES.checked_add(usize::try_from(length.get_u32_le()).ok()?)?;
    let payload = bytes.get(HEADER_BYTES..end)?;
    let head = Head::decode(Bytes::copy_from_slice(payload)).ok()?;
    let manifest = Manifest::decode(&head.manifest).ok()?;
    let place = Place { incarnation: manifest.incarnation, segment };
    let header = Header::decode(bytes, place, 0).ok()?;
    (header.kind == Kind::Head && header.verify(payload).is_ok()).then_some((manifest, header.arrived_at))
}
