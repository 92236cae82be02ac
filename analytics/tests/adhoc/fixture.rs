//! An archive in a scratch folder, streams in memory, and an engine over both.

use std::io::Write;
use std::sync::Arc;

use analytics::adhoc::archive::folder::AdhocArchive;
use analytics::adhoc::engine::{AdhocEngine, AdhocOptions};
use analytics::adhoc::limits::AdhocLimits;
use futures::{FutureExt, TryStreamExt};
use model::archive::store::{Archive, ObjectName};
use model::clock::Timestamp;
use model::name::StreamName;
use model::query::engine::{SqlEngine, SqlError};
use model::query::json_lines::json_lines;
use model::stream::aggregate::user_records;
use model::stream::hash_key::{HashKeyRange, PartitionKey};
use model::stream::record::{PutEntry, Record};
use model::stream::sequence_number::SequenceNumber;
use model::stream::shard::ShardId;
use model::stream::store::{ReadLimit, StartingPosition, StreamOptions, StreamStore};
use model::testing::clock::ManualClock;
use model::testing::memory_archive::MemoryArchive;
use model::testing::memory_store::MemoryStore;
use model::text::json_object::RecordText;
use tempfile::TempDir;

pub(crate) const NOW: Timestamp = Timestamp::from_millis(1_793_500_000_000);

#[derive(Debug, Clone, Copy)]
pub(crate) enum Packing {
    Plain,
    Gzip,
    Zstd,
}

impl Packing {
    pub(crate) const ALL: [Packing; 3] = [Packing::Plain, Packing::Gzip, Packing::Zstd];

    pub(crate) fn suffix(self) -> &'static str {
        match self {
            Packing::Plain => "json",
            Packing::Gzip => "json.gz",
            Packing::Zstd => "json.zst",
        }
    }

    pub(crate) fn pack(self, text: &[u8]) -> Vec<u8> {
        match self {
            Packing::Plain => text.to_vec(),
            Packing::Gzip => {
                let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
                encoder.write_all(text).expect("into memory");
                encoder.finish().expect("into memory")
            }
            Packing::Zstd => zstd::encode_all(text, 1).expect("into memory"),
        }
    }
}

pub(crate) struct World {
    pub(crate) root: TempDir,
    pub(crate) store: Arc<MemoryStore>,
    pub(crate) clock: Arc<ManualClock>,
    /// The same files as objects.
    pub(crate) objects: Arc<MemoryArchive>,
}

impl World {
    pub(crate) fn new() -> Self {
        let clock = Arc::new(ManualClock::new(NOW));
        let store = Arc::new(MemoryStore::new(Arc::clone(&clock) as _));
        World { root: tempfile::tempdir().expect("a scratch folder"), store, clock, objects: Arc::default() }
    }

    pub(crate) async fn stream(&self, name: &str, shards: u32) -> StreamName {
        let stream = StreamName::new(name).expect("a valid name");
        self.store.create(&stream, StreamOptions { shards, ..StreamOptions::default() }).await.expect("create");
        stream
    }

    pub(crate) async fn put(&self, stream: &StreamName, key: &str, data: impl Into<bytes::Bytes>) {
        let key = PartitionKey::new(key.to_owned()).expect("a valid key");
        let results = self.store.append(stream, vec![PutEntry::new(key, data)]).await.expect("append").results;
        assert!(results.iter().all(Result::is_ok));
    }

    /// The first records of a shard from `from` on.
    pub(crate) async fn records(
        &self,
        stream: &StreamName,
        shard: ShardId,
        from: Option<SequenceNumber>,
        count: usize,
    ) -> Vec<Record> {
        let oldest = self.store.locate(stream, shard, StartingPosition::TrimHorizon).await.expect("locate");
        let limit = ReadLimit { records_max: count, bytes_max: usize::MAX, wait: false };
        self.store.read(stream, shard, from.unwrap_or(oldest), limit).await.expect("read").records
    }

    /// Archives records the way a delivery does: one object, named by what it holds.
    pub(crate) fn archive(&self, stream: &StreamName, shard: ShardId, records: &[Record], packing: Packing) {
        let (Some(first), Some(last)) = (records.first(), records.last()) else { return };
        let mut text = Vec::new();
        for user in records.iter().flat_map(|record| user_records(record, HashKeyRange::ALL, None)) {
            let record = RecordText::of(&user.data);
            for object in record.iter().filter_map(|record| record.objects().ok()).flatten() {
                text.extend_from_slice(object.as_bytes());
                text.push(b'\n');
            }
        }
        let (first, last) = (first.sequence_number.0, last.sequence_number.0);
        let name = format!("dt=2026-11-01/hour=03/{shard}-{first:020}-{last:020}.{}", packing.suffix());
        self.file(&format!("{stream}/{name}"), &packing.pack(&text));
    }

    pub(crate) fn file(&self, path: &str, bytes: &[u8]) {
        let object = ObjectName::new(path).expect("a valid name");
        let put = self.objects.put_if_absent(&object, bytes.to_vec().into()).now_or_never();
        put.expect("memory does not wait").expect("into memory");
        let path = self.root.path().join(path);
        std::fs::create_dir_all(path.parent().expect("it has a parent")).expect("create a folder");
        std::fs::write(path, bytes).expect("write a file");
    }

    pub(crate) fn engine(&self) -> AdhocEngine {
        self.engine_with(limits())
    }

    /// As [`World::engine`], with the archive behind the seam.
    pub(crate) fn engine_over_objects(&self) -> AdhocEngine {
        let streams: Arc<dyn StreamStore> = Arc::clone(&self.store) as _;
        let archive = AdhocArchive::Objects(Arc::clone(&self.objects) as _, tokio::runtime::Handle::current());
        let options = AdhocOptions { archive: Some(archive), streams: Some(streams), ..options(limits()) };
        AdhocEngine::new(options).expect("open")
    }

    pub(crate) fn engine_with(&self, limits: AdhocLimits) -> AdhocEngine {
        let streams: Arc<dyn StreamStore> = Arc::clone(&self.store) as _;
        let archive = Some(AdhocArchive::Folder(self.root.path().to_owned()));
        AdhocEngine::new(AdhocOptions { archive, streams: Some(streams), ..options(limits) }).expect("open")
    }

    pub(crate) fn archive_engine(&self) -> AdhocEngine {
        let archive = Some(AdhocArchive::Folder(self.root.path().to_owned()));
        AdhocEngine::new(AdhocOptions { archive, ..options(limits()) }).expect("open")
    }
}

fn options(limits: AdhocLimits) -> AdhocOptions {
    AdhocOptions { limits, ..AdhocOptions::default() }
}

pub(crate) fn limits() -> AdhocLimits {
    AdhocLimits { threads: 2, ..AdhocLimits::default() }
}

/// The lines of a result, as they are written.
pub(crate) async fn lines(engine: &AdhocEngine, sql: &str) -> Result<Vec<String>, SqlError> {
    let rows = engine.query(sql).await?;
    let chunks: Vec<bytes::Bytes> = json_lines(rows).try_collect().await?;
    let text = String::from_utf8(chunks.concat()).expect("JSON is UTF-8");
    Ok(text.lines().map(str::to_owned).collect())
}

pub(crate) async fn check(engine: &AdhocEngine, sql: &str, expected: &[&str]) {
    let found = lines(engine, sql).await.unwrap_or_else(|error| panic!("{sql}: {error}"));
    assert_eq!(found, expected, "{sql}");
}

pub(crate) async fn check_error(engine: &AdhocEngine, sql: &str, expected: &str) -> SqlError {
    let error = lines(engine, sql).await.expect_err(sql);
    assert_eq!(error.to_string(), expected, "{sql}");
    error
}
