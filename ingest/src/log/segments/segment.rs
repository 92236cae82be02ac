//! One file of the log: its name, the verified scan of its frames, and the derived index kept beside it once it is sealed.
//!
//! ```text
//! 00000000000000000007.log      head, newest checkpoints, then groups of frames
//! 00000000000000000007.index    written when the segment is sealed; rebuilt when missing or wrong; never synced
//! ```

use std::collections::BTreeMap;
use std::io::IoSlice;
use std::path::Path;

use bytes::Bytes;
use model::clock::Timestamp;
use model::name::ConsumerName;
use model::stream::checkpoint::Checkpoint;

use crate::log::error::{LogError, Reason};
use crate::log::frames::cipher::Opener;
use crate::log::frames::commit::Commit;
use crate::log::frames::frame::{HEADER_BYTES, Header, Kind, MAGIC, frame_at};
use crate::log::frames::head::Head;
use crate::log::frames::key::StreamKeys;
use crate::log::frames::place::Place;
use crate::log::segments::index::SegmentIndex;
use model::disk::{self, Disk, DiskFile};

/// A segment that is part of the log.
#[derive(Debug, Clone)]
pub struct Segment {
    /// Its number; one above the segment before.
    pub id: u64,
    /// What is in it, and how long it is.
    pub index: SegmentIndex,
}

/// The name of a segment's file.
pub fn log_name(segment: u64) -> String {
    format!("{segment:020}.log")
}

/// The name of the index beside it.
pub fn index_name(segment: u64) -> String {
    format!("{segment:020}.index")
}

/// The segment whose file or index `name` is.
pub fn segment_of(name: &str) -> Option<(u64, &str)> {
    let (number, kind) = name.split_once('.')?;
    let plain = number.len() == 20 && matches!(kind, "log" | "index");
    if plain { Some((number.parse().ok()?, kind)) } else { None }
}

/// What a scan of a whole segment found.
#[derive(Debug)]
pub struct Scan {
    /// The head; none when the first frame is not one.
    pub head: Option<Head>,
    /// How many commit frames stand in the head's group.
    pub head_checkpoints: u32,
    /// Where the head's group ends.
    pub head_bytes: u64,
    /// Where the group of the last valid frame begins.
    pub last_group: u64,
    /// Records of the valid frames; its length is where they end.
    pub index: SegmentIndex,
    /// The last checkpoint of each consumer.
    pub checkpoints: BTreeMap<ConsumerName, Checkpoint>,
    /// Why the frame at the index's length is not valid; none when the file ends there.
    pub bad: Option<Reason>,
}

impl Scan {
    /// Whether the segment's first group is all there.
    pub fn head_is_whole(&self) -> bool {
        self.head.as_ref().is_some_and(|head| head.checkpoints == self.head_checkpoints)
    }
}

/// Verifies every frame up to the first that is not valid.
pub fn scan(bytes: &Bytes, place: Place, keys: &StreamKeys) -> Scan {
    let mut scan = Scan {
        head: None,
        head_checkpoints: 0,
        head_bytes: 0,
        last_group: 0,
        index: SegmentIndex::default(),
        checkpoints: BTreeMap::new(),
        bad: None,
    };
    let mut opener = Opener::new(keys, place);
    let mut offset = 0;
    while offset < bytes.len() {
        match scan_frame(bytes, place, offset, &mut opener, &mut scan) {
            Ok(frame_bytes) => offset += frame_bytes,
            Err(reason) => {
                scan.bad = Some(reason);
                break;
            }
        }
    }
    scan.index.length = offset as u64;
    for checkpoint in scan.checkpoints.values_mut() {
        // A copy, so that a few bytes of state do not hold the whole segment in memory.
        checkpoint.state = Bytes::copy_from_slice(&checkpoint.state);
    }
    scan
}

fn scan_frame(
    bytes: &Bytes,
    place: Place,
    offset: usize,
    opener: &mut Opener<'_>,
    scan: &mut Scan,
) -> Result<usize, Reason> {
    let (header, payload) = frame_at(bytes, place, offset)?;
    if (header.kind == Kind::Head) != (offset == 0) {
        return Err("a segment has one head, at its beginning");
    }
    let at = header.arrived_at;
    scan.index.last_arrived_at = scan.index.last_arrived_at.max(Some(at));
    match header.kind {
        Kind::Head => scan.head = Some(Head::decode(payload)?),
        Kind::Records => scan.index.note(header.shard, header.first, header.count, at, offset as u64),
        Kind::Filler => {}
        Kind::Commit => {
            let commit = Commit::decode(&opener.open(&header, offset as u64, payload)?, at)?;
            for block in &commit.blocks {
                scan.index.note(block.shard, block.first, block.count, at, offset as u64);
            }
            scan.checkpoints.insert(commit.consumer, commit.checkpoint);
            scan.head_checkpoints += u32::from(header.group_back == offset as u64);
        }
    }
    scan.last_group = (offset as u64).saturating_sub(header.group_back);
    if scan.last_group == 0 {
        scan.head_bytes = (offset + header.frame_bytes()) as u64;
    }
    Ok(header.frame_bytes())
}

/// Where a frame of a group stands that was begun after `bad`: groups are written one at a time, each synced before the
/// next, so such a frame proves that what stands at `bad` was durable once.
pub fn later_group(bytes: &[u8], place: Place, bad: u64) -> Option<u64> {
    let begin = usize::try_from(bad).expect("a segment fits in memory") + 1;
    let mut candidates = bytes.windows(MAGIC.len()).enumerate().skip(begin).filter(|(_, window)| *window == MAGIC);
    candidates.find_map(|(at, _)| {
        let header = Header::decode(&bytes[at..], place, at as u64).ok()?;
        ((at as u64).checked_sub(header.group_back)? > bad).then_some(at as u64)
    })
}

/// Reads a whole segment file.
pub fn read_segment(disk: &dyn Disk, folder: &Path, segment: u64) -> Result<Bytes, LogError> {
    let name = log_name(segment);
    let bytes = disk::read_all(disk, &folder.join(&name)).map_err(LogError::io(format!("reading {name}")))?;
    Ok(Bytes::from(bytes))
}

/// Reads and verifies the head of a segment.
pub fn read_head(file: &dyn DiskFile, place: Place) -> Result<Head, LogError> {
    let name = log_name(place.segment);
    let length = file.len().map_err(LogError::io(format!("asking the length of {name}")))?;
    let damaged = |reason: Reason| LogError::damaged(&name, 0, reason);
    let read = |offset: usize, bytes: usize| {
        let mut buffer = vec![0; bytes];
        if length < (offset + bytes) as u64 {
            return Err(damaged("the file ends inside its head"));
        }
        file.read_at(offset as u64, &mut buffer).map_err(LogError::io(format!("reading {name}")))?;
        Ok(buffer)
    };
    let header = Header::decode(&read(0, HEADER_BYTES)?, place, 0).map_err(damaged)?;
    let payload = read(HEADER_BYTES, header.payload_bytes as usize)?;
    header.verify(&payload).map_err(damaged)?;
    if header.kind != Kind::Head {
        return Err(damaged("the first frame is not a head"));
    }
    Head::decode(Bytes::from(payload)).map_err(damaged)
}

/// Writes the index of a sealed segment beside it.
pub fn save_index(disk: &dyn Disk, folder: &Path, place: Place, index: &SegmentIndex) -> std::io::Result<()> {
    let bytes = index.encode();
    let file = disk.create(&folder.join(index_name(place.segment)))?;
    file.write_vectored_at(0, &[IoSlice::new(index_line(&bytes, place).as_bytes()), IoSlice::new(&bytes)])
}

/// The saved index, if it is there, belongs to the segment and is whole.
pub fn load_index(disk: &dyn Disk, folder: &Path, place: Place) -> Option<SegmentIndex> {
    let bytes = disk::read_all(disk, &folder.join(index_name(place.segment))).ok()?;
    let (line, index) = bytes.split_at_checked(bytes.iter().position(|byte| *byte == b'\n')? + 1)?;
    if line != index_line(index, place).as_bytes() {
        return None;
    }
    SegmentIndex::decode(index)
}

fn index_line(index: &[u8], place: Place) -> String {
    let crc = crc32c::crc32c(index);
    format!("gallop-index 2 {} {} crc32c={crc:08x}\n", place.incarnation, place.segment)
}

/// The earliest and latest stamp of a scan, for order after a restart.
pub fn last_stamp(index: &SegmentIndex) -> Timestamp {
    index.last_arrived_at.unwrap_or(Timestamp::MIN)
}
