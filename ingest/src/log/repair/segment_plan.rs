//! The bytes that take the place of a damaged segment: its frames where they were, and fillers where
//! they are lost.

use std::path::Path;

use bytes::Bytes;
use model::clock::Timestamp;
use model::stream::sequence_number::SequenceNumber;
use model::stream::shard::ShardId;

use crate::log::error::LogError;
use crate::log::frames::frame::HEADER_BYTES;
use crate::log::frames::group::Group;
use crate::log::frames::head::Head;
use crate::log::frames::lost::{FillerOf, filler_header};
use crate::log::frames::place::Place;
use crate::log::repair::salvage;
use crate::log::segments::segment::log_name;
use model::disk::Disk;

/// A segment that is written anew.
#[derive(Debug)]
pub(crate) struct SegmentPlan {
    pub(crate) id: u64,
    pub(crate) length: u64,
    pub(crate) fills: Vec<Fill>,
    /// What a lost head said, as far as it is known.
    pub(crate) head: Head,
}

/// Bytes that are lost.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Fill {
    pub(crate) offset: u64,
    pub(crate) end: u64,
    /// Arrival time of the frame behind them, so that a loss is not forgotten while its records
    /// could be within retention. None until that frame is known.
    pub(crate) stamp: Option<Timestamp>,
}

impl Fill {
    fn stamp(&self) -> Timestamp {
        self.stamp.expect("an examination ends with a stamp for every place")
    }
}

/// A head that says how long the segment before was, and how far each shard.
pub(crate) fn head_of(before_bytes: u64, next: impl Iterator<Item = (ShardId, SequenceNumber)>) -> Head {
    Head { before_bytes, checkpoints: 0, next: next.collect(), manifest: Bytes::new() }
}

/// Bytes of the frame of a head that names no shard.
const HEAD_BYTES_MIN: u64 = HEADER_BYTES as u64 + 16;

/// Bytes of a frame that holds `head`.
pub(crate) fn head_bytes(head: &Head) -> u64 {
    (HEADER_BYTES + head.encode().len()) as u64
}

impl SegmentPlan {
    /// Joins fills that touch.
    pub(crate) fn fill(&mut self, fill: Fill) {
        match self.fills.last_mut() {
            Some(last) if last.end == fill.offset => last.end = fill.end,
            _ => self.fills.push(fill),
        }
    }

    /// A good frame stands at `offset`. What is lost right before it is not younger.
    pub(crate) fn frame_at(&mut self, offset: u64, stamp: Timestamp) {
        if let Some(last) = self.fills.last_mut().filter(|last| last.end == offset && last.stamp.is_none()) {
            last.stamp = Some(stamp);
        }
    }

    /// Makes the file longer if it ends within the header of a frame that is lost: a filler needs
    /// one.
    pub(crate) fn make_room(&mut self) {
        let Some(last) = self.fills.last_mut().filter(|last| last.end == self.length) else { return };
        let least = if last.offset == 0 { HEAD_BYTES_MIN } else { HEADER_BYTES as u64 };
        last.end = last.end.max(last.offset + least);
        self.length = last.end;
    }

    /// What the file is to hold.
    pub(crate) fn bytes(&self, disk: &dyn Disk, folder: &Path, incarnation: u64) -> Result<Vec<u8>, LogError> {
        let place = Place { incarnation, segment: self.id };
        let found = salvage::read(disk, &folder.join(log_name(self.id)))?.unwrap_or_default();
        let mut bytes = found.to_vec();
        bytes.resize(at(self.length), 0);
        for fill in &self.fills {
            let mut offset = fill.offset;
            if offset == 0 {
                let head = self.head_frame(place, fill);
                bytes[..head.len()].copy_from_slice(&head);
                offset = head.len() as u64;
            }
            if offset < fill.end {
                let header = filler_header(FillerOf::Losses, place, offset, fill.end - offset, fill.stamp());
                bytes[at(offset)..at(fill.end)].fill(0);
                bytes[at(offset)..at(offset) + header.len()].copy_from_slice(&header);
            }
        }
        Ok(bytes)
    }

    /// The head, of as many shards as there is room for: a new last segment says the rest. It fills
    /// all of the place where nothing else would fit behind it.
    fn head_frame(&self, place: Place, fill: &Fill) -> Vec<u8> {
        let room = fill.end - fill.offset;
        let mut head = self.head.clone();
        while room < head_bytes(&head) && head.next.pop().is_some() {}
        let rest = room.saturating_sub(head_bytes(&head));
        let padding = if rest < HEADER_BYTES as u64 { at(rest) } else { 0 };
        let mut group = Group::new(place, 0, 0, fill.stamp());
        group.push_padded_head(&head, padding);
        group.slices().iter().flat_map(|part| part.iter().copied()).collect()
    }
}

fn at(offset: u64) -> usize {
    usize::try_from(offset).expect("a segment fits in memory")
}
