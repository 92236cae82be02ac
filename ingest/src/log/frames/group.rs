//! Frames that are written and synced together. Payloads are not copied: they stay where they were encoded, and the
//! system gathers headers and payloads when they are written.

use std::io::IoSlice;
use std::sync::Arc;

use bytes::Bytes;
use model::clock::Timestamp;
use model::name::ConsumerName;
use model::stream::checkpoint::Checkpoint;
use model::stream::sequence_number::SequenceNumber;
use model::stream::shard::ShardId;

use crate::log::frames::block::Block;
use crate::log::frames::cipher::Sealer;
use crate::log::frames::commit::Commit;
use crate::log::frames::frame::{HEADER_BYTES, Header, Kind};
use crate::log::frames::head::Head;
use crate::log::frames::key::PLAIN;
use crate::log::frames::place::Place;

/// A frame of a group.
#[derive(Debug)]
pub struct Frame {
    /// Offset in the segment.
    pub offset: u64,
    /// The records in it; a commit has a block for each shard.
    pub blocks: Vec<Block>,
    header: [u8; HEADER_BYTES],
    payload: Bytes,
}

/// Frames in the order in which they are written.
#[derive(Debug)]
pub struct Group {
    place: Place,
    /// Where in the segment the group begins.
    group_at: u64,
    /// Where in the segment its next frame goes.
    end: u64,
    /// Where in the segment its first frame goes: behind `group_at` when others wrote before it.
    begin: u64,
    arrived_at: Timestamp,
    /// Encrypts records and checkpoints.
    sealer: Option<Arc<Sealer>>,
    frames: Vec<Frame>,
}

impl Group {
    /// Nothing yet, to be written at `offset` of `place`; part of the group that begins at `group_at`.
    pub fn new(place: Place, group_at: u64, offset: u64, arrived_at: Timestamp) -> Self {
        Group { place, group_at, end: offset, begin: offset, arrived_at, sealer: None, frames: Vec::new() }
    }

    /// The same, encrypted where there is something to encrypt with.
    pub fn sealed_by(self, sealer: Option<Arc<Sealer>>) -> Self {
        Group { sealer, ..self }
    }

    /// Where it is written.
    pub fn offset(&self) -> u64 {
        self.begin
    }

    /// Bytes so far.
    pub fn len(&self) -> u64 {
        self.end - self.begin
    }

    /// Whether there is nothing to write.
    pub fn is_empty(&self) -> bool {
        self.frames.is_empty()
    }

    /// When all of it arrived.
    pub fn arrived_at(&self) -> Timestamp {
        self.arrived_at
    }

    /// The bytes to write, in order.
    pub fn slices(&self) -> Vec<IoSlice<'_>> {
        let parts = self.frames.iter().flat_map(|frame| [&frame.header[..], &frame.payload]);
        parts.filter(|part| !part.is_empty()).map(IoSlice::new).collect()
    }

    /// What is in it.
    pub fn into_frames(self) -> Vec<Frame> {
        self.frames
    }

    fn push(&mut self, kind: Kind, payload: Bytes, blocks: Vec<Block>) {
        let (shard, count, first) = match (kind, blocks.first()) {
            (Kind::Records, Some(block)) => (block.shard, block.count, block.first),
            _ => (ShardId(0), 0, SequenceNumber(0)),
        };
        // A head holds numbers only, and leads to the rest.
        let sealer = self.sealer.as_deref().filter(|_| kind != Kind::Head);
        let mut header = Header {
            kind,
            key: sealer.map_or(PLAIN, |sealer| sealer.number),
            shard,
            count,
            first,
            arrived_at: self.arrived_at,
            payload_bytes: 0,
            payload_crc: 0,
            group_back: self.end - self.group_at,
        };
        let seal = |sealer: &Sealer| sealer.seal(&header.identity(self.place, self.end), &payload);
        let payload = sealer.map(seal).unwrap_or(payload);
        header.payload_bytes = u32::try_from(payload.len()).expect("frames are bounded far below 4 GiB");
        header.payload_crc = crc32c::crc32c(&payload);
        let (offset, header_bytes) = (self.end, header.encode(self.place, self.end));
        self.end += header.frame_bytes() as u64;
        self.frames.push(Frame { offset, blocks, header: header_bytes, payload });
    }

    /// Adds the head of a segment.
    pub fn push_head(&mut self, head: &Head) {
        self.push_padded_head(head, 0);
    }

    /// The same, with so many zeros behind what it says.
    pub fn push_padded_head(&mut self, head: &Head, zeros: usize) {
        let mut payload = head.encode().to_vec();
        payload.resize(payload.len() + zeros, 0);
        self.push(Kind::Head, payload.into(), Vec::new());
    }

    /// Adds records of one shard, which arrived when the group did.
    pub fn push_records(&mut self, block: Block) {
        self.push(Kind::Records, block.payload.clone(), vec![block]);
    }

    /// Adds a checkpoint and its outputs.
    pub fn push_commit(&mut self, consumer: &ConsumerName, checkpoint: &Checkpoint, outputs: Vec<Block>) {
        self.push(Kind::Commit, Commit::encode(consumer, checkpoint, &outputs), outputs);
    }
}
