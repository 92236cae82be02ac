//! Reads all files of a stream, finds what is damaged, and plans the repair. Nothing is written.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;
use model::clock::Timestamp;
use model::name::{ConsumerName, StreamName};
use model::stream::checkpoint::Checkpoint;

use crate::log::error::{LogError, Reason};
use crate::log::frames::block::Block;
use crate::log::frames::cipher::Opener;
use crate::log::frames::commit::Commit;
use crate::log::frames::frame::{HEADER_BYTES, Header, Kind};
use crate::log::frames::head::Head;
use crate::log::frames::key::{KeyRing, PLAIN, StreamKeys};
use crate::log::frames::lost::{Filled, FillerOf};
use crate::log::frames::place::Place;
use crate::log::inspect::Damage;
use crate::log::repair::ledger::{Hole, Ledger};
use crate::log::repair::plan::{Consumer, NewEnd, Plan};
use crate::log::repair::rebuild::FoundManifest;
use crate::log::repair::salvage;
use crate::log::repair::segment_plan::{Fill, SegmentPlan, head_bytes, head_of};
use crate::log::segments::index::SegmentIndex;
use crate::log::segments::manifest::Manifest;
use crate::log::segments::pieces::{Bad, Piece, pieces};
use crate::log::segments::segment::{self, index_name, log_name, segment_of};
use model::disk::Disk;

/// The most records that a segment of unknown length can have held.
const UNKNOWN_RECORDS_MAX: u64 = 1 << 32;

/// Examines the stream `name` in `folder`. Error: its files cannot be read now, a key is missing, or
/// nothing says any more what the stream is.
pub fn examine(disk: &dyn Disk, folder: &Path, name: &StreamName, ring: &KeyRing) -> Result<Plan, LogError> {
    let found = FoundManifest::of(disk, folder, name)?;
    let keys = Arc::new(StreamKeys::unlock(&found.manifest.keys, ring)?);
    let manifests = found.wrong.iter().map(|(file, _)| *file).collect();
    let damage = found.wrong.into_iter().map(|(file, reason)| Damage::of_file(file, reason)).collect();
    let plan = Plan {
        name: name.clone(),
        folder: folder.to_owned(),
        damage,
        losses: Vec::new(),
        consumers: Vec::new(),
        rebuilt_from: found.rebuilt_from,
        manifest: found.manifest,
        keys,
        manifests,
        segments: Vec::new(),
        indexes: Vec::new(),
        unused: Vec::new(),
        end: None,
    };
    Examination::new(disk, plan).run()
}

/// What a frame that verifies holds.
enum Content {
    Head(Head),
    Records,
    Commit(Commit),
    Filler,
}

struct Examination<'a> {
    disk: &'a dyn Disk,
    plan: Plan,
    ledger: Ledger,
    /// The newest checkpoint of each consumer, when it was committed, and holes before it.
    checkpoints: BTreeMap<ConsumerName, (Checkpoint, Timestamp, usize)>,
    /// Damaged places so far in which a checkpoint may have been.
    commit_holes: usize,
    /// The newest stamp so far.
    stamp: Timestamp,
    /// Length of the segment before.
    before_bytes: u64,
}

impl<'a> Examination<'a> {
    fn new(disk: &'a dyn Disk, plan: Plan) -> Self {
        let manifest = &plan.manifest;
        let ledger = Ledger::begin(&manifest.shards, manifest.oldest_segment == 0);
        let stamp = manifest.created_at;
        Examination { disk, plan, ledger, checkpoints: BTreeMap::new(), commit_holes: 0, stamp, before_bytes: 0 }
    }

    fn run(mut self) -> Result<Plan, LogError> {
        let (oldest, last) = (self.plan.manifest.oldest_segment, self.last()?);
        let mut end_is_damaged = false;
        for id in oldest..=last {
            end_is_damaged = self.segment(id, id == last)?;
        }
        self.ledger.end(&self.plan.manifest.shards);
        if end_is_damaged {
            self.end_anew(last);
        }
        self.stamp_fills();
        self.plan.losses = std::mem::take(&mut self.ledger.losses);
        self.plan.manifest.losses.extend(&self.plan.losses);
        let fills = self.plan.segments.iter().flat_map(|segment| {
            segment.fills.iter().map(|fill| Filled { segment: segment.id, offset: fill.offset, end: fill.end })
        });
        let fills: Vec<Filled> = fills.filter(|filled| !self.plan.manifest.filled.contains(filled)).collect();
        self.plan.manifest.filled.extend(fills);
        Ok(self.plan)
    }

    /// A place that only other lost places follow gets the stamp of whatever comes after those.
    fn stamp_fills(&mut self) {
        let mut behind = self.plan.end.as_ref().map_or(self.stamp, |end| end.stamp);
        for fill in self.plan.segments.iter_mut().rev().flat_map(|segment| segment.fills.iter_mut().rev()) {
            behind = *fill.stamp.get_or_insert(behind);
        }
    }

    /// The last segment: known to the manifest or used. Those behind it were begun and never used.
    fn last(&mut self) -> Result<u64, LogError> {
        let (folder, manifest) = (&self.plan.folder, &self.plan.manifest);
        let names = self.disk.list(folder).map_err(LogError::io("listing the stream's folder"))?;
        let logs = names.iter().filter_map(|name| segment_of(name)).filter(|(_, kind)| *kind == "log");
        let mut ids: Vec<u64> = logs.map(|(id, _)| id).filter(|id| manifest.synced.segment < *id).collect();
        ids.sort_unstable();
        let is_only = |id: u64| id <= manifest.oldest_segment;
        while let Some(id) = ids.last().copied().filter(|id| !is_only(*id)) {
            let bytes = salvage::read(self.disk, &folder.join(log_name(id)))?.unwrap_or_default();
            let place = Place { incarnation: manifest.incarnation, segment: id };
            let scan = segment::scan(&bytes, place, &self.plan.keys);
            let whole = scan.head_is_whole();
            let is_damaged = segment::later_group(&bytes, place, scan.index.length).is_some();
            if is_damaged || (whole && scan.head_bytes < scan.index.length) {
                break;
            }
            self.plan.unused.extend(ids.pop().map(log_name));
        }
        Ok(ids.last().copied().unwrap_or(0).max(manifest.synced.segment))
    }

    /// Examines a segment; whether its end cannot be written to as it is.
    fn segment(&mut self, id: u64, is_last: bool) -> Result<bool, LogError> {
        let (folder, name) = (self.plan.folder.clone(), log_name(id));
        let place = Place { incarnation: self.plan.manifest.incarnation, segment: id };
        let found = salvage::read(self.disk, &folder.join(&name))?;
        let is_missing = found.is_none();
        let mut bytes = found.unwrap_or_default();
        let there = bytes.len() as u64;
        let synced = self.plan.manifest.synced;
        let durable = if id == synced.segment { synced.length } else { 0 };
        let said = if is_last { None } else { self.said_length(place) };
        let length = said.unwrap_or(there.max(durable));
        if length < there {
            let reason = format!("the file has {there} bytes, {length} were written");
            self.damaged(&name, length, there - length, reason);
            bytes.truncate(usize::try_from(length).expect("a segment fits in memory"));
        }
        let mut segment =
            SegmentPlan { id, length, fills: Vec::new(), head: head_of(self.before_bytes, self.ledger.next()) };
        let unfinished = self.pieces(&mut segment, &bytes, is_last.then_some(durable));
        let end = unfinished.unwrap_or(bytes.len() as u64);
        segment.length = if unfinished.is_some() { end } else { length };
        if end < length && unfinished.is_none() || is_missing {
            let reason = if is_missing { "the file is missing" } else { "the file is shorter than it was" };
            let is_known = end < length;
            self.lost_end(&mut segment, (end, length), is_known, reason);
        }
        segment.make_room();
        if !is_last && said.is_none() {
            // The head behind it is lost too: there may have been more. Missing numbers will tell.
            let (offset, hole) = (segment.length, Hole::new(id, segment.length, 0));
            if !self.pass_known(id, offset, offset) {
                self.ledger.hole(Hole { records_max: UNKNOWN_RECORDS_MAX, ..hole });
                self.plan.manifest.filled.push(Filled { segment: id, offset, end: offset });
            }
        }
        self.before_bytes = segment.length;
        if !segment.fills.is_empty() || (length < there) {
            self.plan.indexes.push(id);
            self.plan.segments.push(segment);
            return Ok(true);
        }
        let scan = segment::scan(&bytes, place, &self.plan.keys);
        let is_end_damaged = is_last && !scan.head_is_whole();
        if !is_last {
            self.index(place, &scan.index);
        } else if is_end_damaged {
            // Another segment follows it now: it ends where its frames do, and has an index.
            self.plan.indexes.push(id);
            if segment.length < there {
                self.plan.segments.push(segment);
            }
        }
        Ok(is_end_damaged)
    }

    /// How long the head of the next segment says this one is, or else its index.
    fn said_length(&self, place: Place) -> Option<u64> {
        let (folder, next) = (&self.plan.folder, Place { segment: place.segment + 1, ..place });
        let file = self.disk.open(&folder.join(log_name(next.segment))).ok();
        let head = file.and_then(|file| segment::read_head(&*file, next).ok());
        let length = head.map(|head| head.before_bytes);
        length.or_else(|| segment::load_index(self.disk, folder, place).map(|index| index.length))
    }

    /// Goes through the pieces of a segment. In the last one, `durable` bytes were durable when the
    /// manifest was written; returns where a write begins that was never finished.
    fn pieces(&mut self, segment: &mut SegmentPlan, bytes: &Bytes, durable: Option<u64>) -> Option<u64> {
        let place = Place { incarnation: self.plan.manifest.incarnation, segment: segment.id };
        let keys = Arc::clone(&self.plan.keys);
        let mut opener = Opener::new(&keys, place);
        for piece in pieces(bytes, place, |header, offset, payload| content(&mut opener, header, offset, payload)) {
            match piece {
                Piece::Frame(header, offset, content) => {
                    if offset == 0
                        && let Some(before) = self.plan.segments.last_mut().filter(|before| before.id + 1 == segment.id)
                    {
                        before.frame_at(before.length, header.arrived_at);
                    }
                    segment.frame_at(offset, header.arrived_at);
                    self.frame(segment.id, &header, offset, content);
                }
                Piece::Bad(bad) => {
                    let is_unfinished = durable.is_some_and(|durable| {
                        durable <= bad.offset && segment::later_group(bytes, place, bad.offset).is_none()
                    });
                    if is_unfinished {
                        return Some(bad.offset);
                    }
                    self.bad(segment, bad);
                }
            }
        }
        None
    }

    fn frame(&mut self, segment: u64, header: &Header, offset: u64, content: Content) {
        self.stamp = self.stamp.max(header.arrived_at);
        match content {
            Content::Head(head) => head.next.iter().for_each(|(shard, next)| self.ledger.is_at(*shard, *next)),
            Content::Records => self.ledger.records(header.shard, header.first, header.count),
            Content::Commit(commit) => {
                for Block { shard, first, count, .. } in commit.blocks {
                    self.ledger.records(shard, first, count);
                }
                let state = Bytes::copy_from_slice(&commit.checkpoint.state);
                let checkpoint = Checkpoint { state, ..commit.checkpoint };
                self.checkpoints.insert(commit.consumer, (checkpoint, header.arrived_at, self.commit_holes));
            }
            Content::Filler if header.count == FillerOf::Checkpoints.count() => {}
            Content::Filler => {
                let bytes = header.frame_bytes() as u64;
                if !self.pass_known(segment, offset, offset + bytes) {
                    self.ledger.hole(Hole::new(segment, offset, bytes));
                }
            }
        }
    }

    /// Goes past what an earlier repair has given up between two offsets; whether that was all there.
    fn pass_known(&mut self, segment: u64, from: u64, to: u64) -> bool {
        let Manifest { losses, filled, .. } = &self.plan.manifest;
        let is_there = |offset| offset == from || (from < offset && offset < to);
        for loss in losses.iter().filter(|loss| loss.segment == segment && is_there(loss.offset)) {
            self.ledger.pass(loss.shard, loss.end);
        }
        filled.iter().any(|filled| filled.segment == segment && filled.offset <= from && to <= filled.end)
    }

    fn bad(&mut self, segment: &mut SegmentPlan, bad: Bad) {
        let Bad { offset, end, header, reason } = bad;
        self.damaged(&log_name(segment.id), offset, end - offset, reason);
        segment.fill(Fill { offset, end, stamp: None });
        let hole = Hole::new(segment.id, offset, end - offset);
        let is_known = self.pass_known(segment.id, offset, end);
        match header {
            _ if is_known => self.commit_holes += 1,
            Some(Header { kind: Kind::Records, shard, first, count, .. }) => {
                self.ledger.lost(shard, first, count, hole);
            }
            Some(Header { kind: Kind::Head | Kind::Filler, .. }) => {}
            Some(Header { kind: Kind::Commit, .. }) | None => {
                self.commit_holes += 1;
                self.ledger.hole(hole);
            }
        }
    }

    /// The end of a segment, or all of it, is not there. Its length may not be known.
    fn lost_end(&mut self, segment: &mut SegmentPlan, (from, to): (u64, u64), is_known: bool, reason: Reason) {
        self.damaged(&log_name(segment.id), from, to - from, reason);
        let least = if from == 0 { head_bytes(&segment.head) } else { HEADER_BYTES as u64 };
        let end = if is_known { to } else { to.max(from + least) };
        segment.fill(Fill { offset: from, end, stamp: None });
        segment.length = end;
        let hole = Hole::new(segment.id, from, to - from);
        self.commit_holes += 1;
        if self.pass_known(segment.id, from, end) {
            return;
        }
        self.ledger.hole(if is_known { hole } else { Hole { records_max: UNKNOWN_RECORDS_MAX, ..hole } });
    }

    fn index(&mut self, place: Place, right: &SegmentIndex) {
        let reason = match segment::load_index(self.disk, &self.plan.folder, place) {
            Some(found) if found == *right => return,
            Some(_) => "it does not fit the segment",
            None => "it is missing or damaged",
        };
        self.damaged(&index_name(place.segment), 0, 0, reason);
        self.plan.indexes.push(place.segment);
    }

    fn damaged(&mut self, file: &str, offset: u64, bytes: u64, reason: impl Into<String>) {
        self.plan.damage.push(Damage { file: file.to_owned(), offset, bytes, reason: reason.into() });
    }

    /// The log goes on in a segment behind `last`, with everything that is known.
    fn end_anew(&mut self, last: u64) {
        let Plan { manifest, consumers, .. } = &mut self.plan;
        let stamp = self.stamp.max(manifest.synced.floor).max(manifest.horizon);
        let mut next: BTreeMap<_, _> = self.ledger.next().collect();
        next.retain(|shard, _| manifest.shards.get(*shard).is_some());
        let at_risk = self.checkpoints.iter().filter(|(_, (_, _, holes))| *holes < self.commit_holes);
        consumers.extend(at_risk.map(|(name, (checkpoint, committed_at, _))| Consumer {
            name: name.clone(),
            version: checkpoint.version,
            committed_at: *committed_at,
        }));
        let checkpoints = std::mem::take(&mut self.checkpoints);
        let checkpoints = checkpoints.into_iter().map(|(name, (checkpoint, ..))| (name, checkpoint)).collect();
        let before_bytes = self.before_bytes;
        self.plan.end = Some(NewEnd { segment: last + 1, before_bytes, stamp, next, checkpoints });
    }
}

fn content(opener: &mut Opener<'_>, header: &Header, offset: u64, payload: Bytes) -> Result<Content, Reason> {
    let mut plain =
        || if header.key == PLAIN { Ok(payload.clone()) } else { opener.open(header, offset, payload.clone()) };
    match header.kind {
        Kind::Head => Head::decode(payload).map(Content::Head),
        Kind::Filler => Ok(Content::Filler),
        Kind::Records => plain().map(|_| Content::Records),
        Kind::Commit => Commit::decode(&plain()?, header.arrived_at).map(Content::Commit),
    }
}
