//! The bytes of frames: what goes in comes out, and no bytes make a reader fall over.

use bytes::Bytes;
use ingest::log::frames::block::{Block, Read, Unnumbered};
use ingest::log::frames::commit::Commit;
use ingest::log::frames::frame::{HEADER_BYTES, Header, Kind};
use ingest::log::frames::group::Group;
use ingest::log::frames::head::Head;
use ingest::log::frames::place::Place;
use model::clock::Timestamp;
use model::name::ConsumerName;
use model::stream::checkpoint::{Checkpoint, Position};
use model::stream::record::PutEntry;
use model::stream::sequence_number::SequenceNumber;
use model::stream::shard::ShardId;
use proptest::collection::vec;
use proptest::prelude::*;

use crate::common::{ALL, NOW, entry};

const PLACE: Place = Place { incarnation: 7, segment: 3 };

fn entries() -> impl Strategy<Value = Vec<PutEntry>> {
    vec(("\\PC{1,20}", vec(any::<u8>(), 0..100)).prop_map(|(key, data)| entry(&key, data)), 1..20)
}

fn read(block: &Block, from: SequenceNumber) -> Vec<(u64, String, Bytes)> {
    let mut read = Read::default();
    block.read_into(from, ALL, &mut read).unwrap();
    let plain = |r: model::stream::record::Record| (r.sequence_number.0, r.partition_key.as_str().to_owned(), r.data);
    read.records.into_iter().map(plain).collect()
}

fn expected(first: u64, entries: &[PutEntry], from: u64) -> Vec<(u64, String, Bytes)> {
    let numbered = (first..).zip(entries).filter(|(number, _)| *number >= from);
    numbered.map(|(number, e)| (number, e.partition_key.as_str().to_owned(), e.data.clone())).collect()
}

/// What is written of a group.
fn bytes_of(group: &Group) -> Vec<u8> {
    group.slices().iter().flat_map(|part| part.iter().copied()).collect()
}

/// The one frame of a group, verified.
fn only_frame(group: Group, offset: u64) -> (Header, Bytes) {
    let bytes = Bytes::from(bytes_of(&group));
    assert_eq!((group.offset(), group.len()), (offset, bytes.len() as u64));
    let frames = group.into_frames();
    assert_eq!((frames.len(), frames[0].offset), (1, offset));
    let header = Header::decode(&bytes, PLACE, offset).unwrap();
    let payload = bytes.slice(HEADER_BYTES..header.frame_bytes());
    header.verify(&payload).unwrap();
    (header, payload)
}

/// Entries of one shard, encoded as `parts` and joined.
fn block(shard: u32, first: u64, parts: &[&[PutEntry]]) -> Block {
    let parts = parts.iter().map(|entries| Unnumbered::encode(ShardId(shard), entries.iter())).collect();
    Unnumbered::join(parts).unwrap().numbered(SequenceNumber(first), NOW)
}

proptest! {
    #[test]
    fn records_come_out_as_they_went_in(entries in entries(), cut: prop::sample::Index, first in 0..1u64 << 60, shard: u32, offset in 0..1u64 << 40, skip in 0..25u64) {
        let mut group = Group::new(PLACE, offset, offset, NOW);
        let (one, other) = entries.split_at(cut.index(entries.len() + 1));
        group.push_records(block(shard, first, &[one, other]));
        let (header, payload) = only_frame(group, offset);
        prop_assert_eq!((header.kind, header.shard, header.arrived_at), (Kind::Records, ShardId(shard), NOW));
        let found = read(&header.block(payload), SequenceNumber(first + skip));
        prop_assert_eq!(found, expected(first, &entries, first + skip));
    }

    #[test]
    fn commits_come_out_as_they_went_in(
        version: u64,
        positions in proptest::collection::btree_map(any::<u32>(), (any::<u64>(), any::<bool>()), 0..10),
        state in vec(any::<u8>(), 0..200),
        outputs in vec((any::<u32>(), 0..1u64 << 60, entries()), 0..4),
    ) {
        let position = |(next, finished)| Position { next: SequenceNumber(next), finished };
        let positions = positions.into_iter().map(|(shard, p)| (ShardId(shard), position(p))).collect();
        let checkpoint = Checkpoint { version, positions, state: Bytes::from(state) };
        let consumer = ConsumerName::new("query").unwrap();
        let blocks: Vec<_> = outputs.iter().map(|(shard, first, e)| block(*shard, *first, &[e])).collect();
        let mut group = Group::new(PLACE, 0, 0, NOW);
        group.push_commit(&consumer, &checkpoint, blocks);
        let (header, payload) = only_frame(group, 0);
        let commit = Commit::decode(&payload, header.arrived_at).unwrap();
        prop_assert_eq!((commit.consumer, commit.checkpoint), (consumer, checkpoint));
        prop_assert_eq!(commit.blocks.len(), outputs.len());
        for (block, (shard, first, entries)) in commit.blocks.iter().zip(&outputs) {
            prop_assert_eq!(block.shard, ShardId(*shard));
            prop_assert_eq!(read(block, SequenceNumber(*first)), expected(*first, entries, 0));
        }
    }

    #[test]
    fn a_frame_verifies_only_in_its_place(offset in 0..1u64 << 40, other in 0..1u64 << 40) {
        let mut group = Group::new(PLACE, offset, offset, NOW);
        group.push_head(&Head::default());
        let bytes = bytes_of(&group);
        prop_assert!(Header::decode(&bytes, PLACE, offset).is_ok());
        prop_assert_eq!(Header::decode(&bytes, PLACE, other).is_ok(), offset == other);
        for wrong in [Place { incarnation: 8, ..PLACE }, Place { segment: 4, ..PLACE }] {
            prop_assert!(Header::decode(&bytes, wrong, offset).is_err());
        }
    }

    #[test]
    fn no_bytes_make_a_reader_fall_over(bytes in vec(any::<u8>(), 0..300), count in 0..100u32) {
        let bytes = Bytes::from(bytes);
        let _ = Header::decode(&bytes, PLACE, 0);
        let _ = Head::decode(bytes.clone());
        let _ = Commit::decode(&bytes, Timestamp::MIN);
        let block = Block { shard: ShardId(0), first: SequenceNumber(0), count, arrived_at: NOW, payload: bytes };
        let _ = block.read_into(SequenceNumber(0), ALL, &mut Read::default());
    }
}
