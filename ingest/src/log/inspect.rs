//! Looks at a stream's files without opening the stream: also beside a server that writes to them, and where a stream does not
//! open any more. Every frame is verified as recovery would; nothing is ever written.
//!
//! ```text
//! frame ok ─▶ frame ok ─▶ bytes that are no frame ─▶ frame ok ...     damage: where, how many bytes, what does not fit
//!                         └─ nothing durable behind ─▶ the end        a write under way, or one that a crash cut short
//! ```

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::Bytes;
use model::clock::Timestamp;
use model::stream::sequence_number::SequenceNumber;
use model::stream::shard::ShardId;

use crate::log::error::{LogError, Reason};
use crate::log::frames::block::Block;
use crate::log::frames::cipher::Opener;
use crate::log::frames::commit::Commit;
use crate::log::frames::frame::{Header, Kind};
use crate::log::frames::head::Head;
use crate::log::frames::key::{KeyRing, StreamKeys};
use crate::log::frames::lost::FillerOf;
use crate::log::frames::place::Place;
use crate::log::segments::manifest::{Loaded, Manifest};
use crate::log::segments::pieces::{Bad, Piece, pieces};
use crate::log::segments::segment::{self, log_name, segment_of};
use model::disk::overlay::OverlayDisk;
use model::disk::{Disk, StdDisk};

/// A stream's files.
#[derive(Debug)]
pub struct StreamFiles {
    /// What the stream is.
    pub manifest: Manifest,
    /// Segments of the log whose files are there, oldest first.
    pub segments: Vec<u64>,
    /// What is wrong with the files before one is read.
    pub damage: Vec<Damage>,
    /// Why encrypted frames are not read, where they are not; they are verified all the same.
    pub locked: Option<LogError>,
    keys: StreamKeys,
    /// Of which nothing can be changed.
    disk: OverlayDisk,
    folder: PathBuf,
}

/// A place where the bytes are not those that were written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Damage {
    /// The file's name in the stream's folder.
    pub file: String,
    /// Where in it.
    pub offset: u64,
    /// Bytes up to the next frame that verifies, or to the end.
    pub bytes: u64,
    /// What does not fit.
    pub reason: String,
}

impl Damage {
    /// Of a whole file.
    pub(crate) fn of_file(file: &str, reason: impl Into<String>) -> Damage {
        Damage { file: file.to_owned(), offset: 0, bytes: 0, reason: reason.into() }
    }
}

/// What a segment holds.
#[derive(Debug, Default)]
pub struct SegmentReport {
    /// Length of the file.
    pub bytes: u64,
    /// Frames that verify.
    pub frames: u64,
    /// Of them, frames that are encrypted.
    pub encrypted: u64,
    /// Of each shard.
    pub shards: BTreeMap<ShardId, ShardReport>,
    /// The last checkpoint of each consumer: its version, and when it was committed.
    pub checkpoints: BTreeMap<String, (u64, Timestamp)>,
    /// Bytes of lost frames that a repair has given up.
    pub given_up_bytes: u64,
    /// Bytes at the end that are no whole frame, and why: a write under way, or one that a crash cut short.
    pub unfinished: Option<(u64, Reason)>,
    /// What is damaged.
    pub damage: Vec<Damage>,
}

/// What a segment holds of a shard.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ShardReport {
    /// Records.
    pub records: u64,
    /// Bytes of their keys and data; none of records of encrypted commits that are not read.
    pub bytes: u64,
    /// Number of the first.
    pub first: SequenceNumber,
    /// Number of the last.
    pub last: SequenceNumber,
    /// When the first arrived.
    pub first_arrived_at: Timestamp,
    /// When the last arrived.
    pub last_arrived_at: Timestamp,
}

impl StreamFiles {
    /// Finds the files in `folder`. Error: there is no manifest, or it is damaged.
    pub fn find(folder: &Path, ring: &KeyRing) -> Result<StreamFiles, LogError> {
        let disk = OverlayDisk::sealed(Arc::new(StdDisk));
        let Loaded { manifest, mut wrong } = Loaded::of(&disk, folder)?;
        // A folder of a version that knew no copy is whole without one.
        wrong.retain(|_| manifest.revision > 0);
        let (keys, locked) = match StreamKeys::unlock(&manifest.keys, ring) {
            Ok(keys) => (keys, None),
            Err(error) => (StreamKeys::default(), Some(error)),
        };
        let names = disk.list(folder).map_err(LogError::io("listing the stream's folder"))?;
        let logs = names.iter().filter_map(|name| segment_of(name)).filter(|(_, kind)| *kind == "log");
        let mut segments: Vec<u64> = logs.map(|(id, _)| id).filter(|id| *id >= manifest.oldest_segment).collect();
        segments.sort_unstable();
        let last = manifest.synced.segment.max(segments.last().copied().unwrap_or(0));
        let missing = |id| Damage { file: log_name(id), offset: 0, bytes: 0, reason: "the file is missing".to_owned() };
        let lost = missing_of(manifest.oldest_segment, last, &segments).map(missing);
        let damage = wrong.into_iter().map(|(file, why)| Damage::of_file(file, why)).chain(lost).collect();
        Ok(StreamFiles { manifest, segments, damage, locked, keys, disk, folder: folder.to_owned() })
    }

    /// Verifies a segment from its first byte to its last. Each block of records that can be read is shown to `visit`.
    pub fn verify(&self, id: u64, mut visit: impl FnMut(&Block)) -> Result<SegmentReport, LogError> {
        let place = Place { incarnation: self.manifest.incarnation, segment: id };
        let bytes = segment::read_segment(&self.disk, &self.folder, id)?;
        let report = RefCell::new(SegmentReport { bytes: bytes.len() as u64, ..SegmentReport::default() });
        let mut opener = Opener::new(&self.keys, place);
        let note = |header: &Header, offset, payload| {
            self.note(header, offset, payload, &mut opener, &mut report.borrow_mut(), &mut visit)
        };
        let mut end = bytes.len() as u64;
        for piece in pieces(&bytes, place, note) {
            let Piece::Bad(Bad { offset, end: next, reason, .. }) = piece else { continue };
            if !self.was_durable(&bytes, place, offset) {
                report.borrow_mut().unfinished = Some((end - offset, reason));
                end = offset;
                break;
            }
            let (file, reason) = (log_name(id), reason.to_owned());
            report.borrow_mut().damage.push(Damage { file, offset, bytes: next - offset, reason });
        }
        let mut report = report.into_inner();
        self.compare(id, end, &mut report);
        Ok(report)
    }

    /// Reads the heads of all segments, and holds lengths against them: much less than [`StreamFiles::verify`].
    pub fn verify_heads(&self) -> Vec<Damage> {
        let mut damage = Vec::new();
        let mut before: Option<u64> = None;
        for id in &self.segments {
            let place = Place { incarnation: self.manifest.incarnation, segment: *id };
            let Ok(file) = self.disk.view(&self.folder.join(log_name(*id))) else { continue };
            match segment::read_head(&*file, place) {
                Ok(head) => {
                    if let Some(bytes) = before.filter(|bytes| *bytes != head.before_bytes) {
                        let (file, offset) = (log_name(id - 1), bytes.min(head.before_bytes));
                        let reason =
                            format!("the file has {bytes} bytes, {} says {}", log_name(*id), head.before_bytes);
                        damage.push(Damage { file, offset, bytes: bytes.abs_diff(head.before_bytes), reason });
                    }
                }
                Err(LogError::Damaged { file, offset, reason }) => {
                    damage.push(Damage { file, offset, bytes: 0, reason });
                }
                Err(_) => {}
            }
            before = file.len().ok();
        }
        damage
    }

    /// Whether what stands at `bad` was durable once: else it may be a write that was never finished.
    fn was_durable(&self, bytes: &Bytes, place: Place, bad: u64) -> bool {
        let synced = self.manifest.synced;
        let durable = if place.segment == synced.segment { synced.length } else { 0 };
        let sealed = self.segments.last().is_some_and(|last| place.segment < *last);
        sealed || bad < durable || segment::later_group(bytes, place, bad).is_some()
    }

    /// Adds a frame to the report.
    fn note(
        &self,
        header: &Header,
        offset: u64,
        payload: Bytes,
        opener: &mut Opener<'_>,
        report: &mut SegmentReport,
        visit: &mut impl FnMut(&Block),
    ) -> Result<(), Reason> {
        let is_encrypted = header.key != crate::log::frames::key::PLAIN;
        let readable = !is_encrypted || self.locked.is_none();
        let mut plain = || if readable { opener.open(header, offset, payload.clone()).map(Some) } else { Ok(None) };
        match header.kind {
            Kind::Head => drop(Head::decode(payload.clone())?),
            Kind::Filler if header.count == FillerOf::Checkpoints.count() => {}
            Kind::Filler => report.given_up_bytes += header.frame_bytes() as u64,
            Kind::Records => {
                let block = plain()?.map(|payload| header.block(payload));
                let bytes = block.as_ref().map_or(payload.len(), Block::record_bytes) as u64;
                report.add(header.shard, header.first, header.count, bytes, header.arrived_at)?;
                block.iter().for_each(&mut *visit);
            }
            Kind::Commit => {
                if let Some(payload) = plain()? {
                    let commit = Commit::decode(&payload, header.arrived_at)?;
                    for block in &commit.blocks {
                        report.add(
                            block.shard,
                            block.first,
                            block.count,
                            block.record_bytes() as u64,
                            block.arrived_at,
                        )?;
                        visit(block);
                    }
                    let said = (commit.checkpoint.version, header.arrived_at);
                    report.checkpoints.insert(commit.consumer.to_string(), said);
                }
            }
        }
        report.frames += 1;
        report.encrypted += u64::from(is_encrypted);
        Ok(())
    }

    /// Holds a segment's end against what the manifest and the segment behind it say of it.
    fn compare(&self, id: u64, end: u64, report: &mut SegmentReport) {
        let synced = self.manifest.synced;
        if id == synced.segment && end < synced.length {
            let reason = format!("the manifest says that {} bytes were durable", synced.length);
            let bytes = synced.length - end;
            report.damage.push(Damage { file: log_name(id), offset: end, bytes, reason });
        }
        let Some(next) = self.segments.iter().copied().find(|next| *next == id + 1) else { return };
        let place = Place { incarnation: self.manifest.incarnation, segment: next };
        let file = self.disk.view(&self.folder.join(log_name(next)));
        // What is wrong with that one is told of that one.
        let Some(head) = file.ok().and_then(|file| segment::read_head(&*file, place).ok()) else { return };
        if head.before_bytes != report.bytes {
            let (there, said) = (report.bytes, head.before_bytes);
            let reason = format!("the file has {there} bytes, {} says {said}", log_name(next));
            report.damage.push(Damage {
                file: log_name(id),
                offset: there.min(said),
                bytes: there.abs_diff(said),
                reason,
            });
        }
    }
}

impl SegmentReport {
    /// Records of the segment.
    pub fn records(&self) -> u64 {
        self.shards.values().map(|shard| shard.records).sum()
    }

    fn add(
        &mut self,
        shard: ShardId,
        first: SequenceNumber,
        count: u32,
        bytes: u64,
        at: Timestamp,
    ) -> Result<(), Reason> {
        if count == 0 {
            return Ok(());
        }
        let last = first.plus(u64::from(count) - 1);
        let new = ShardReport { records: 0, bytes: 0, first, last, first_arrived_at: at, last_arrived_at: at };
        let report = self.shards.entry(shard).or_insert(new);
        if report.records > 0 && first <= report.last {
            return Err("the sequence numbers of a shard go back");
        }
        report.records += u64::from(count);
        report.bytes += bytes;
        (report.last, report.last_arrived_at) = (last, at);
        Ok(())
    }
}

fn missing_of(oldest: u64, last: u64, segments: &[u64]) -> impl Iterator<Item = u64> {
    (oldest..=last).filter(|id| segments.binary_search(id).is_err())
}
