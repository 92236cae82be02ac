//! Checkpoints that later ones have replaced give their room back.
//!
//! A query commits its state each second, and the next segment begins with the newest state of every
//! consumer. So nobody needs the states in a sealed segment once the segment behind the next one is
//! in use. The segment is written again without them:
//!
//! ```text
//! commit: rows, state │ commit: state │ commit: state │ commit: rows, state
//! records: rows ─┐ filler, a hole in the file         │ records: rows ─┐ filler
//! ```
//!
//! Frames stay where they are, so neither indexes nor the head of the next segment change. The zeros
//! of a filler are not written: file systems give such holes no room.

use std::path::Path;

use bytes::Bytes;
use model::clock::Timestamp;

use crate::log::error::{LogError, Reason};
use crate::log::files::room;
use crate::log::frames::cipher::{Opener, Sealer};
use crate::log::frames::commit::Commit;
use crate::log::frames::frame::{HEADER_BYTES, Header, Kind};
use crate::log::frames::group::Group;
use crate::log::frames::head::Head;
use crate::log::frames::key::{PLAIN, StreamKeys};
use crate::log::frames::lost::{FillerOf, filler_header};
use crate::log::frames::place::Place;
use crate::log::segments::index::{INDEX_STRIDE_BYTES, SegmentIndex};
use crate::log::segments::pieces::{Bad, Piece, pieces};
use crate::log::segments::segment::{self, index_name, log_name};
use model::disk::{Disk, is_full};

/// Writes a sealed segment again without its checkpoints, if that frees `freed_min` bytes; how many it
/// freed. Whatever fails, the file is the old one or the new one, and both are right.
pub(crate) fn compact(
    disk: &dyn Disk,
    folder: &Path,
    place: Place,
    keys: &StreamKeys,
    freed_min: u64,
) -> Result<u64, LogError> {
    let bytes = segment::read_segment(disk, folder, place.segment)?;
    let compacted = Compacted::of(&bytes, place, keys)?;
    if compacted.freed < freed_min.max(1) {
        return Ok(0);
    }
    let index = compacted.checked(&bytes, place, keys)?;
    compacted.write(disk, folder, place)?;
    // It is rebuilt where it cannot be written.
    let _ = segment::save_index(disk, folder, place, &index);
    Ok(compacted.freed)
}

/// A segment without checkpoints: what is written of it, and where.
struct Compacted {
    parts: Vec<(u64, Bytes)>,
    length: u64,
    freed: u64,
    /// What is not needed any more, up to the frame that comes next.
    free: Option<Free>,
}

struct Free {
    begin: u64,
    end: u64,
    stamp: Timestamp,
}

enum Content {
    Head(Head),
    Commit(Commit),
    Other,
}

impl Compacted {
    fn of(bytes: &Bytes, place: Place, keys: &StreamKeys) -> Result<Compacted, LogError> {
        let mut compacted = Compacted { parts: Vec::new(), length: bytes.len() as u64, freed: 0, free: None };
        let mut opener = Opener::new(keys, place);
        for piece in pieces(bytes, place, |header, offset, payload| content(&mut opener, header, offset, payload)) {
            match piece {
                Piece::Bad(Bad { offset, reason, .. }) => {
                    return Err(LogError::damaged(log_name(place.segment), offset, reason));
                }
                Piece::Frame(header, offset, content) => {
                    let end = offset + header.frame_bytes() as u64;
                    let is_changed = match content {
                        Content::Head(head) => compacted.head(head, &header, place),
                        Content::Commit(commit) => compacted.commit(commit, &header, (offset, end), place, keys),
                        Content::Other => false,
                    };
                    if !is_changed {
                        compacted.close(place);
                        compacted.parts.push((offset, bytes.slice(at(offset)..at(end))));
                    }
                }
            }
        }
        compacted.close(place);
        Ok(compacted)
    }

    /// A head that says that no checkpoints follow it.
    fn head(&mut self, head: Head, header: &Header, place: Place) -> bool {
        let head = Head { checkpoints: 0, ..head };
        let mut group = Group::new(place, 0, 0, header.arrived_at);
        group.push_padded_head(&head, header.payload_bytes as usize - head.encode().len());
        self.push(&group);
        true
    }

    /// The rows of a commit as records, and the rest free; false where that does not fit.
    fn commit(
        &mut self,
        commit: Commit,
        header: &Header,
        (offset, end): (u64, u64),
        place: Place,
        keys: &StreamKeys,
    ) -> bool {
        let sealer = (header.key != PLAIN).then(|| Sealer::new(keys, header.key, place)).flatten();
        let mut group = Group::new(place, offset, offset, header.arrived_at).sealed_by(sealer.map(Into::into));
        commit.blocks.into_iter().filter(|block| block.count > 0).for_each(|block| group.push_records(block));
        let rest = (end - offset).checked_sub(group.len());
        // The index leads to the first of these frames, and readers look so far behind it.
        if rest.is_none_or(|rest| rest > 0 && rest < HEADER_BYTES as u64) || INDEX_STRIDE_BYTES <= group.len() {
            return false;
        }
        if !group.is_empty() {
            self.close(place);
            self.push(&group);
        }
        let begin = self.free.take().map_or(offset + group.len(), |free| free.begin);
        if begin < end {
            self.free = Some(Free { begin, end, stamp: header.arrived_at });
        }
        true
    }

    fn push(&mut self, group: &Group) {
        let bytes: Vec<u8> = group.slices().iter().flat_map(|part| part.iter().copied()).collect();
        self.parts.push((group.offset(), bytes.into()));
    }

    /// Fills what is free.
    fn close(&mut self, place: Place) {
        let Some(Free { begin, end, stamp }) = self.free.take() else { return };
        let header = filler_header(FillerOf::Checkpoints, place, begin, end - begin, stamp);
        self.parts.push((begin, Bytes::copy_from_slice(&header)));
        self.freed += end - begin - HEADER_BYTES as u64;
    }

    /// Verifies the new bytes before they replace what is right, and indexes them.
    fn checked(&self, old: &Bytes, place: Place, keys: &StreamKeys) -> Result<SegmentIndex, LogError> {
        let mut bytes = vec![0; at(self.length)];
        for (offset, part) in &self.parts {
            bytes[at(*offset)..at(*offset) + part.len()].copy_from_slice(part);
        }
        let (new, old) = (segment::scan(&bytes.into(), place, keys), segment::scan(old, place, keys));
        let spans = |scan: &segment::Scan| -> Vec<_> {
            scan.index.shards.iter().map(|(shard, index)| (*shard, index.first(), index.next)).collect()
        };
        assert!(new.bad.is_none() && spans(&new) == spans(&old), "a segment keeps its records when it is compacted");
        Ok(new.index)
    }

    fn write(&self, disk: &dyn Disk, folder: &Path, place: Place) -> Result<(), LogError> {
        let name = log_name(place.segment);
        let new = format!("{name}~new");
        let write = || {
            let file = disk.create(&folder.join(&new))?;
            for (offset, part) in &self.parts {
                file.write_at(*offset, part)?;
            }
            file.truncate(self.length)?;
            file.sync()
        };
        if let Err(error) = write() {
            room::discard(disk, folder, &new)?;
            let doing = format!("writing {new}");
            return Err(if is_full(&error) { LogError::Full { doing } } else { LogError::io(doing)(error) });
        }
        let replace = || {
            // It says where rows stood before.
            let _ = disk.remove(&folder.join(index_name(place.segment)));
            disk.rename(&folder.join(&new), &folder.join(&name))?;
            disk.sync_folder(folder)
        };
        replace().map_err(LogError::io(format!("replacing {name}")))
    }
}

fn content(opener: &mut Opener<'_>, header: &Header, offset: u64, payload: Bytes) -> Result<Content, Reason> {
    match header.kind {
        Kind::Head => Head::decode(payload).map(Content::Head),
        Kind::Commit => Commit::decode(&opener.open(header, offset, payload)?, header.arrived_at).map(Content::Commit),
        Kind::Records | Kind::Filler => Ok(Content::Other),
    }
}

fn at(offset: u64) -> usize {
    usize::try_from(offset).expect("a segment fits in memory")
}
