//! What a stream held before it was damaged, and what has to be left of it.

use std::collections::BTreeMap;

use bytes::Bytes;
use ingest::log::frames::cipher::Opener;
use ingest::log::frames::commit::Commit;
use ingest::log::frames::frame::{Kind, frame_at};
use ingest::log::frames::key::{PLAIN, StreamKeys};
use ingest::log::frames::lost::Loss;
use ingest::log::frames::place::Place;
use ingest::log::segments::manifest::Manifest;
use ingest::log::segments::segment::segment_of;
use ingest::log::store::LogStore;
use model::disk::Disk;
use model::name::StreamName;
use model::stream::record::Record;
use model::stream::sequence_number::SequenceNumber;
use model::stream::shard::ShardId;
use model::stream::store::{ReadLimit, StartingPosition, StreamStore};
use model::testing::power_cut::PowerCutDisk;

use crate::common::{ALL, consumer, key_ring};
use crate::repair::harm::bytes_of;
use crate::repair::world::folder_of;

pub(super) struct Truth {
    stream: StreamName,
    pub(super) shards: BTreeMap<ShardId, Vec<Record>>,
    next: BTreeMap<ShardId, SequenceNumber>,
    pub(super) version: u64,
}

impl Truth {
    pub(super) async fn of(store: &LogStore, stream: &StreamName) -> Truth {
        let (mut shards, mut next) = (BTreeMap::new(), BTreeMap::new());
        for shard in store.describe(stream).await.unwrap().shards.iter() {
            let (records, lost) = read(store, stream, shard.id).await;
            assert_eq!(lost, 0);
            shards.insert(shard.id, records);
            next.insert(shard.id, store.locate(stream, shard.id, StartingPosition::Latest).await.unwrap());
        }
        let version = store.checkpoint(stream, &consumer()).await.unwrap().map_or(0, |found| found.version);
        Truth { stream: stream.clone(), shards, next, version }
    }

    pub(super) fn next(&self, shard: ShardId) -> SequenceNumber {
        self.next.get(&shard).copied().unwrap_or(SequenceNumber::FIRST)
    }

    /// Holds what is readable against what was there; whether frames are damaged at all.
    pub(super) async fn check(
        &self,
        store: &LogStore,
        whole: &PowerCutDisk,
        damaged: &PowerCutDisk,
        losses: &[Loss],
    ) -> bool {
        let (gone, any) = self.gone(whole, damaged);
        for (shard, records) in &self.shards {
            let (found, lost) = read(store, &self.stream, *shard).await;
            let mut found = found.iter().peekable();
            let mut missing = 0;
            for record in records {
                let number = record.sequence_number;
                let listed = losses.iter().any(|loss| loss.shard == *shard && loss.holds(number));
                if found.next_if(|found| *found == record).is_some() {
                    assert!(!listed, "{} {shard} {number} is readable and listed as lost", self.stream);
                    continue;
                }
                assert!(gone.contains(&(*shard, number)), "{} {shard} {number} is not damaged, and gone", self.stream);
                assert!(listed, "{} {shard} {number} is gone and not listed in {losses:?}", self.stream);
                missing += 1;
            }
            assert_eq!(found.next(), None, "{} {shard}: what nobody has put", self.stream);
            assert!(missing <= lost, "{} {shard}: {missing} are missing, readers are told of {lost}", self.stream);
            assert!(!gone.is_empty() || any || lost == 0, "{} {shard}: nothing is damaged", self.stream);
        }
        any
    }

    /// Records of frames in which a byte differs, and whether there are such frames.
    fn gone(&self, whole: &PowerCutDisk, damaged: &PowerCutDisk) -> (Vec<(ShardId, SequenceNumber)>, bool) {
        let manifest = Manifest::load(whole, &folder_of(&self.stream)).unwrap();
        let keys = StreamKeys::unlock(&manifest.keys, &key_ring()).unwrap();
        let (mut gone, mut any) = (Vec::new(), false);
        for file in whole.list(&folder_of(&self.stream)).unwrap() {
            let Some((segment, "log")) = segment_of(&file) else { continue };
            let place = Place { incarnation: manifest.incarnation, segment };
            let bytes = Bytes::from(bytes_of(whole, &self.stream, &file).unwrap());
            let now = bytes_of(damaged, &self.stream, &file).unwrap_or_default();
            let (mut offset, mut opener) = (0, Opener::new(&keys, place));
            while offset < bytes.len() {
                let (header, payload) = frame_at(&bytes, place, offset).unwrap();
                let end = offset + header.frame_bytes();
                if now.get(offset..end) != Some(&bytes[offset..end]) {
                    any = true;
                    let numbers = |shard, first: SequenceNumber, count: u32| {
                        (0..u64::from(count)).map(move |i| (shard, first.plus(i)))
                    };
                    match header.kind {
                        Kind::Records => gone.extend(numbers(header.shard, header.first, header.count)),
                        Kind::Commit => {
                            let plain = if header.key == PLAIN {
                                payload
                            } else {
                                opener.open(&header, offset as u64, payload).unwrap()
                            };
                            let commit = Commit::decode(&plain, header.arrived_at).unwrap();
                            commit.blocks.iter().for_each(|b| gone.extend(numbers(b.shard, b.first, b.count)));
                        }
                        Kind::Head | Kind::Filler => {}
                    }
                }
                offset = end;
            }
        }
        (gone, any)
    }
}

/// All records of a shard, a few at a time, and how many the readers are told are lost.
async fn read(store: &LogStore, stream: &StreamName, shard: ShardId) -> (Vec<Record>, u64) {
    let mut from = store.locate(stream, shard, StartingPosition::TrimHorizon).await.unwrap();
    let (mut records, mut lost) = (Vec::new(), 0);
    loop {
        let batch = store.read(stream, shard, from, ReadLimit { records_max: 5, ..ALL }).await;
        let batch = batch.unwrap_or_else(|error| panic!("{stream} {shard} from {from}: {error}"));
        from = batch.next;
        records.extend(batch.records);
        lost += batch.lost;
        if batch.next == batch.tip {
            return (records, lost);
        }
    }
}
