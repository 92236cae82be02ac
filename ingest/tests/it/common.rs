//! What the tests share.

use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;
use ingest::log::frames::key::{KEY_BYTES, KeyRing};
use ingest::log::options::LogOptions;
use ingest::log::store::LogStore;
use model::clock::Timestamp;
use model::disk::Disk;
use model::name::{ConsumerName, StreamName};
use model::stream::hash_key::PartitionKey;
use model::stream::record::{Appended, PutEntry, Record};
use model::stream::sequence_number::SequenceNumber;
use model::stream::shard::ShardId;
use model::stream::store::{ReadLimit, StartingPosition, StreamError, StreamStore};
use model::testing::clock::ManualClock;
use model::testing::power_cut::PowerCutDisk;

pub(crate) const ALL: ReadLimit = ReadLimit { records_max: usize::MAX, bytes_max: usize::MAX, wait: false };
pub(crate) const NOW: Timestamp = Timestamp::from_millis(1_700_000_000_000);

/// Names of keys, the last of which no store has.
pub(crate) const KEYS: [&str; 3] = ["alias/one", "alias/two", "alias/none"];

pub(crate) fn key_ring() -> KeyRing {
    let keys = KEYS[..2].iter().zip(1..).map(|(name, byte)| ((*name).to_owned(), [byte; KEY_BYTES]));
    KeyRing::new(keys.collect())
}

pub(crate) fn clock() -> Arc<ManualClock> {
    Arc::new(ManualClock::new(NOW))
}

pub(crate) fn stream() -> StreamName {
    StreamName::new("rides").unwrap()
}

pub(crate) fn consumer() -> ConsumerName {
    ConsumerName::new("query").unwrap()
}

pub(crate) fn entry(key: &str, data: impl Into<Bytes>) -> PutEntry {
    PutEntry::new(PartitionKey::new(key.to_owned()).unwrap(), data)
}

pub(crate) async fn open(disk: &PowerCutDisk, clock: &Arc<ManualClock>) -> Result<LogStore, StreamError> {
    let disk: Arc<dyn Disk> = Arc::new(disk.clone());
    LogStore::open(clock.clone(), disk, Path::new("/streams"), LogOptions::small()).await
}

pub(crate) async fn put(store: &LogStore, entries: Vec<PutEntry>) -> Vec<Appended> {
    let results = store.append(&stream(), entries).await.unwrap().results;
    results.into_iter().map(|result| result.unwrap()).collect()
}

/// All records of a shard, read with `limit` a time.
pub(crate) async fn read_by(store: &LogStore, shard: ShardId, limit: ReadLimit) -> Result<Vec<Record>, StreamError> {
    let mut from: SequenceNumber = store.locate(&stream(), shard, StartingPosition::TrimHorizon).await?;
    let mut records = Vec::new();
    loop {
        let batch = store.read(&stream(), shard, from, limit).await?;
        from = batch.next;
        records.extend(batch.records);
        if batch.next == batch.tip {
            return Ok(records);
        }
    }
}

pub(crate) async fn read_all(store: &LogStore, shard: ShardId) -> Result<Vec<Record>, StreamError> {
    read_by(store, shard, ALL).await
}
