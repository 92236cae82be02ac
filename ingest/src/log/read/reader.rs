//! Reading records of one shard from a segment file; every frame is verified each time.

use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;
use model::clock::Timestamp;
use model::stream::record::Record;
use model::stream::sequence_number::SequenceNumber;
use model::stream::shard::{ShardId, Skip, behind_skip};
use model::stream::store::ReadLimit;

use crate::log::error::{LogError, Reason};
use crate::log::frames::block::{Block, Read};
use crate::log::frames::cipher::Opener;
use crate::log::frames::commit::Commit;
use crate::log::frames::frame::{HEADER_BYTES, Header, Kind};
use crate::log::frames::key::StreamKeys;
use crate::log::frames::place::Place;
use crate::log::read::losses::Losses;
use crate::log::segments::index::INDEX_STRIDE_BYTES;
use crate::log::segments::segment::log_name;
use model::disk::{Disk, DiskFile};

/// How much is read from a file at a time: a usual frame and its header. A larger frame is read whole.
const READ_CHUNK_BYTES: usize = 40 << 10;

/// Records of a payload that fills less than such a part of what was read get memory of their own, so that few bytes of
/// records never hold many.
const OWN_MEMORY_BELOW: usize = 2;

/// Part of a segment to be searched for records of a shard.
#[derive(Debug, Clone)]
pub(crate) struct Stretch {
    pub(crate) place: Place,
    pub(crate) shard: ShardId,
    /// Numbers of the shard that no record has.
    pub(crate) skips: Vec<Skip>,
    /// Where frames of the shard begin, in order, at least one: all others of it begin less than [`INDEX_STRIDE_BYTES`]
    /// behind one of these.
    pub(crate) begins: Vec<u64>,
    /// Durable bytes end here.
    pub(crate) end: u64,
    /// What its frames may be encrypted with.
    pub(crate) keys: Arc<StreamKeys>,
    /// Numbers that are not there any more.
    pub(crate) losses: Arc<Losses>,
}

/// Reads from `from` on, until `limit` is reached, records are lost, or the stretch ends. At least
/// one record is there.
pub(crate) fn read(
    disk: &dyn Disk,
    folder: &Path,
    stretch: &Stretch,
    from: SequenceNumber,
    limit: ReadLimit,
) -> Result<Vec<Record>, LogError> {
    let mut scan = FrameScan::open(disk, folder, stretch)?;
    let mut read = Read::default();
    let mut expected = None;
    while !read.is_full(limit) {
        let Some(block) = scan.next_block()? else { break };
        let is_missing = match expected.map(|expected| behind_skip(&stretch.skips, expected)) {
            Some(expected) if expected < block.first && scan.is_lost(expected) => {
                if !read.records.is_empty() {
                    break;
                }
                from < block.first
            }
            Some(expected) => expected != block.first,
            None => from < block.first,
        };
        if is_missing {
            return Err(scan.damaged("records before this frame are missing"));
        }
        expected = Some(block.end());
        block.read_into(from, limit, &mut read).map_err(|reason| scan.damaged(reason))?;
    }
    if read.records.is_empty() {
        return Err(scan.damaged("records that the index names are missing"));
    }
    Ok(read.records)
}

/// The first record that arrived at `at` or later; none when the stretch has none.
pub(crate) fn find(
    disk: &dyn Disk,
    folder: &Path,
    stretch: &Stretch,
    at: Timestamp,
) -> Result<Option<SequenceNumber>, LogError> {
    let mut scan = FrameScan::open(disk, folder, stretch)?;
    while let Some(block) = scan.next_block()? {
        if block.arrived_at >= at {
            return Ok(Some(block.first));
        }
    }
    Ok(None)
}

/// Reads every frame of a stretch, of all shards, until at least `bytes` are read; where it got to.
pub(crate) fn verify(disk: &dyn Disk, folder: &Path, stretch: &Stretch, bytes: u64) -> Result<u64, LogError> {
    let mut scan = FrameScan::open(disk, folder, stretch)?;
    let end = stretch.end.min(scan.offset.saturating_add(bytes));
    while scan.offset < end {
        let header = scan.header()?;
        scan.payload(&header)?;
        scan.offset += header.frame_bytes() as u64;
    }
    Ok(scan.offset)
}

/// Walks the frames of a stretch. Headers verify by themselves, so that frames of other shards are skipped unread, and
/// most of them are leapt over: the index knows where the shard goes on.
struct FrameScan<'a> {
    file: Arc<dyn DiskFile>,
    stretch: &'a Stretch,
    /// The next frame.
    offset: u64,
    /// The frame that was looked at last.
    at: u64,
    buffer: Bytes,
    buffer_at: u64,
    /// Whether the last frame did not fit into a chunk: then the next will hardly, and its header is read alone.
    is_large: bool,
    /// How many of the stretch's beginnings lie behind.
    begun: usize,
    opener: Opener<'a>,
    /// Blocks of a commit frame that are not handed out yet.
    blocks: std::vec::IntoIter<Block>,
}

impl<'a> FrameScan<'a> {
    fn open(disk: &dyn Disk, folder: &Path, stretch: &'a Stretch) -> Result<Self, LogError> {
        let name = log_name(stretch.place.segment);
        let file = disk.open(&folder.join(&name)).map_err(LogError::io(format!("opening {name}")))?;
        let begin = stretch.begins[0];
        let opener = Opener::new(&stretch.keys, stretch.place);
        Ok(FrameScan {
            file,
            stretch,
            offset: begin,
            at: begin,
            buffer: Bytes::new(),
            buffer_at: begin,
            is_large: false,
            begun: 1,
            opener,
            blocks: Vec::new().into_iter(),
        })
    }

    fn is_lost(&self, number: SequenceNumber) -> bool {
        self.stretch.losses.at(self.stretch.shard, number).is_some()
    }

    fn damaged(&self, reason: impl Into<String>) -> LogError {
        LogError::damaged(log_name(self.stretch.place.segment), self.at, reason)
    }

    fn next_block(&mut self) -> Result<Option<Block>, LogError> {
        let shard = self.stretch.shard;
        loop {
            if let Some(block) = self.blocks.find(|block| block.shard == shard) {
                return Ok(Some(block));
            }
            if !self.leap() {
                return Ok(None);
            }
            let header = self.header()?;
            let block = match header.kind {
                Kind::Records if header.shard == shard => Some(header.block(self.payload(&header)?)),
                Kind::Commit => {
                    let payload = self.payload(&header)?;
                    let commit = Commit::decode(&payload, header.arrived_at).map_err(|r| self.damaged(r))?;
                    self.blocks = commit.blocks.into_iter();
                    None
                }
                Kind::Head | Kind::Records | Kind::Filler => None,
            };
            self.offset += header.frame_bytes() as u64;
            if block.is_some() {
                return Ok(block);
            }
        }
    }

    /// Goes on to where the next frame of the shard may begin; false where there is none.
    fn leap(&mut self) -> bool {
        let begins = &self.stretch.begins;
        while begins.get(self.begun).is_some_and(|begin| *begin <= self.offset) {
            self.begun += 1;
        }
        if self.offset >= begins[self.begun - 1] + INDEX_STRIDE_BYTES {
            match begins.get(self.begun) {
                Some(begin) => self.offset = *begin,
                None => return false,
            }
        }
        self.offset < self.stretch.end
    }

    fn header(&mut self) -> Result<Header, LogError> {
        self.at = self.offset;
        let bytes = self.bytes(self.offset, HEADER_BYTES)?;
        Header::decode(&bytes, self.stretch.place, self.offset).map_err(|reason| self.damaged(reason))
    }

    fn payload(&mut self, header: &Header) -> Result<Bytes, LogError> {
        let mut payload = self.bytes(self.offset + HEADER_BYTES as u64, header.payload_bytes as usize)?;
        self.is_large = payload.len() >= READ_CHUNK_BYTES;
        if payload.len() < self.buffer.len() / OWN_MEMORY_BELOW {
            payload = Bytes::copy_from_slice(&payload);
        }
        let opened = header.verify(&payload).and_then(|()| self.opener.open(header, self.offset, payload));
        opened.map_err(|reason: Reason| self.damaged(reason))
    }

    fn bytes(&mut self, offset: u64, length: usize) -> Result<Bytes, LogError> {
        if offset + length as u64 > self.stretch.end {
            return Err(self.damaged("a frame reaches beyond the end of the segment"));
        }
        let buffered = self.buffer_at + self.buffer.len() as u64;
        if offset < self.buffer_at || buffered < offset + length as u64 {
            self.fill(offset, length)?;
        }
        let begin = usize::try_from(offset - self.buffer_at).expect("inside the buffer");
        Ok(self.buffer.slice(begin..begin + length))
    }

    /// Has at least `length` bytes from `offset` on in the buffer. What is there of them already is not read again.
    fn fill(&mut self, offset: u64, length: usize) -> Result<(), LogError> {
        let left = usize::try_from(self.stretch.end - offset).expect("a segment fits in memory");
        let length = if self.is_large { length } else { length.max(READ_CHUNK_BYTES.min(left)) };
        let there = offset.checked_sub(self.buffer_at).and_then(|skip| self.buffer.get(usize::try_from(skip).ok()?..));
        let there = there.unwrap_or_default();
        let mut buffer = Vec::with_capacity(length);
        buffer.extend_from_slice(there);
        let from = offset + there.len() as u64;
        self.file.read_onto(from, length - there.len(), &mut buffer).map_err(|source| match source.kind() {
            std::io::ErrorKind::UnexpectedEof => self.damaged("the file is shorter than it was"),
            _ => LogError::io(format!("reading {}", log_name(self.stretch.place.segment)))(source),
        })?;
        (self.buffer, self.buffer_at) = (Bytes::from(buffer), offset);
        Ok(())
    }
}
