//! What a repair puts in the place of bytes that are lost, and what it remembers of them.
//!
//! A *filler* is a frame of as many bytes as were lost, all zeros behind the header. So every other
//! frame stays where its checksum says it stands, and a segment stays as long as the next one says.
//! What was lost there is in the manifest: readers pass the numbers of a [`Loss`], and count them.
//! Checkpoints that are not needed any more are filled the same way.

use model::clock::Timestamp;
use model::stream::sequence_number::SequenceNumber;
use model::stream::shard::ShardId;
use serde::{Deserialize, Serialize};

use crate::log::frames::block::RECORD_BYTES_MIN;
use crate::log::frames::frame::{HEADER_BYTES, Header, Kind};
use crate::log::frames::key::PLAIN;
use crate::log::frames::place::Place;

/// Numbers of a shard whose records are lost.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Loss {
    /// Whose.
    pub shard: ShardId,
    /// The first number.
    pub first: SequenceNumber,
    /// One past the last number.
    pub end: SequenceNumber,
    /// Records that had these numbers: so many, or at most so many.
    pub records: u64,
    /// Whether there were exactly so many.
    pub exact: bool,
    /// The segment that held them.
    pub segment: u64,
    /// Where in it the lost bytes begin.
    pub offset: u64,
    /// How many bytes are lost there.
    pub bytes: u64,
}

/// Bytes of a segment that a repair fills, whether records were in them or not.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Filled {
    /// The segment.
    pub segment: u64,
    /// Where they begin.
    pub offset: u64,
    /// Where they end.
    pub end: u64,
}

impl Loss {
    /// Whether `number` is lost.
    pub fn holds(&self, number: SequenceNumber) -> bool {
        self.first <= number && number < self.end
    }

    /// Records that a reader who begins at `from`, inside of it, misses: at most so many.
    pub fn records_from(&self, from: SequenceNumber) -> u64 {
        self.records.min(self.end.0.saturating_sub(from.0))
    }
}

/// The most records that can have stood in so many bytes.
pub fn records_in(bytes: u64) -> u64 {
    bytes / RECORD_BYTES_MIN as u64
}

/// What a filler stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FillerOf {
    /// Frames that are lost.
    Losses,
    /// Checkpoints that later ones have replaced: nothing is missing.
    Checkpoints,
}

impl FillerOf {
    /// How a header says it: in place of a number of records.
    pub fn count(self) -> u32 {
        match self {
            FillerOf::Losses => 0,
            FillerOf::Checkpoints => 1,
        }
    }
}

/// How many zeros are summed up at a time.
static ZEROS: [u8; 64 << 10] = [0; 64 << 10];

/// The header of a filler of `bytes` at `offset`: at least a header. Zeros follow.
pub fn filler_header(of: FillerOf, place: Place, offset: u64, bytes: u64, arrived_at: Timestamp) -> [u8; HEADER_BYTES] {
    let payload_bytes = usize::try_from(bytes).expect("a segment fits in memory") - HEADER_BYTES;
    let (mut payload_crc, mut left) = (0, payload_bytes);
    while left > 0 {
        let zeros = left.min(ZEROS.len());
        payload_crc = crc32c::crc32c_append(payload_crc, &ZEROS[..zeros]);
        left -= zeros;
    }
    let header = Header {
        kind: Kind::Filler,
        key: PLAIN,
        shard: ShardId(0),
        count: of.count(),
        first: SequenceNumber(0),
        arrived_at,
        payload_bytes: u32::try_from(payload_bytes).expect("segments are bounded far below 4 GiB"),
        payload_crc,
        group_back: 0,
    };
    header.encode(place, offset)
}
