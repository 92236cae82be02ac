//! What pollers accepted becomes records of a stream, each counted once as stored or refused.

use std::net::{IpAddr, Ipv4Addr};
use std::path::Path;
use std::sync::Arc;

use ingest::log::options::LogOptions;
use ingest::log::store::LogStore;
use ingest::sensor::accounts::Tally;
use ingest::sensor::cause::Refusal;
use ingest::sensor::intake::{Intake, Taken};
use ingest::sensor::port_rule::PortRule;
use ingest::sensor::reception::{Reception, ReceptionOptions};
use ingest::sensor::writer::StreamWriter;
use model::datagram::header::{Header, SchemaId, SourceId};
use model::datagram::payload::Datagram;
use model::disk::Disk;
use model::name::StreamName;
use model::stream::layer::StreamLayer;
use model::stream::put_run::PutRun;
use model::stream::record::PutEntry;
use model::stream::shard::ShardId;
use model::stream::store::{AppendError, AppendedBatch, StreamError, StreamOptions, StreamStore, StreamStoreExt};
use model::testing::faulty::{Fault, FaultyDisk, Operation};
use model::testing::power_cut::PowerCutDisk;

use crate::common::{ALL, clock, read_all, read_by, stream};

const PORT: u16 = 9000;
const FROM: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

fn datagram(source: u32, first: u64, count: u8) -> Vec<u8> {
    let header = Header {
        tagged: false,
        record_times: false,
        schema_id: SchemaId(7),
        record_len: 8,
        count,
        key_id: 0,
        epoch: 1,
        source_id: SourceId(source),
        first,
        time_nanos: 5,
    };
    let mut bytes = Vec::new();
    Datagram::write(header, &vec![source as u8; header.records_bytes()], None, &mut bytes);
    bytes
}

/// Hands `datagrams` to a writer of the store's stream and waits until it has ended; what became of them.
async fn written(store: &(impl StreamStore + Clone + 'static), datagrams: &[Vec<u8>]) -> Tally {
    let reception = Reception::new(ReceptionOptions::default());
    let (handle, reader) = reception.open().unwrap();
    reception.set_port(PORT, PortRule::open_to_all(handle, SchemaId(7), 8)).unwrap();
    let mut intake: Intake = reception.intake("poller");
    let store: Arc<dyn StreamStore> = Arc::new(store.clone());
    let writer = tokio::spawn(StreamWriter::new(store, stream(), reader).run());
    for burst in datagrams.chunks(64) {
        intake.begin(1);
        for bytes in burst {
            assert_eq!(intake.take(FROM, PORT, bytes), Taken::Accepted);
        }
        intake.end();
    }
    drop(intake);
    reception.close();
    writer.await.unwrap();
    let tally = reception.tally();
    assert_eq!(tally.waiting(), 0, "{tally:?}");
    tally
}

async fn store(disk: &(impl Disk + Clone + 'static), options: StreamOptions) -> LogStore {
    let options_of_log = LogOptions { waiting_bytes_max: 1 << 20, ..LogOptions::small() };
    let store = LogStore::open(clock(), Arc::new(disk.clone()), Path::new("/streams"), options_of_log).await.unwrap();
    store.create(&stream(), options).await.unwrap();
    store
}

#[tokio::test]
async fn every_datagram_is_a_record_under_its_source_in_order_and_survives() {
    let disk = PowerCutDisk::default();
    let shards = 3;
    let log = store(&disk, StreamOptions { shards, ..StreamOptions::default() }).await;
    let sent: Vec<Vec<u8>> =
        (0..20_000_u32).map(|n| datagram(n % 37, u64::from(n / 37) * 3, 1 + (n / 37 % 3) as u8)).collect();
    let tally = written(&log, &sent).await;
    assert_eq!((tally.accepted, tally.stored), (20_000, 20_000));
    assert_eq!(tally.stored_records, tally.accepted_records);
    log.close().await;

    let log = LogStore::open(clock(), Arc::new(disk), Path::new("/streams"), LogOptions::small()).await.unwrap();
    let mut found = Vec::new();
    for shard in 0..shards {
        for record in read_by(&log, ShardId(shard), ALL).await.unwrap() {
            let source = Datagram::read(&record.data).unwrap().header.source_id;
            assert_eq!(record.partition_key.as_str(), source.0.to_string());
            let map = &log.describe(&stream()).await.unwrap().shards;
            assert_eq!(map.route(record.partition_key.hash_key()), ShardId(shard));
            found.push(record.data.to_vec());
        }
    }
    for source in 0..37 {
        let of_source = |all: &[Vec<u8>]| -> Vec<Vec<u8>> {
            let is_of = |bytes: &&Vec<u8>| Datagram::read(bytes).unwrap().header.source_id == SourceId(source);
            all.iter().filter(is_of).cloned().collect()
        };
        assert_eq!(of_source(&found), of_source(&sent), "source {source}");
    }
}

#[tokio::test]
async fn what_the_stream_does_not_take_is_counted_by_cause() {
    let disk = PowerCutDisk::default();
    let log = store(&disk, StreamOptions { record_bytes_max: 64, ..StreamOptions::default() }).await;
    let sent = [datagram(1, 0, 1), datagram(2, 0, 100), datagram(3, 0, 2), datagram(2, 100, 3)];
    let tally = written(&log, &sent).await;
    assert_eq!((tally.stored, tally.stored_records, tally.refused(Refusal::TooLarge)), (3, 6, 1));

    log.delete(&stream()).await.unwrap();
    let tally = written(&log, &sent).await;
    assert_eq!((tally.stored, tally.refused(Refusal::StreamGone)), (0, 4));
}

#[tokio::test]
async fn what_finds_no_room_on_the_disk_is_counted_and_what_comes_later_is_stored() {
    let disk = FaultyDisk::new(PowerCutDisk::default());
    let log = store(&disk, StreamOptions::default()).await;
    let sent: Vec<Vec<u8>> = (0..300).map(|n| datagram(n % 7, u64::from(n / 7), 1)).collect();
    let tally = written(&log, &sent).await;
    assert_eq!((tally.stored, tally.refused(Refusal::DiskFull)), (300, 0));

    let root = Path::new("/streams");
    disk.limit(root, disk.used(root).unwrap());
    let tally = written(&log, &sent).await;
    assert_eq!((tally.accepted, tally.stored, tally.refused(Refusal::DiskFull)), (300, 0, 300));
    assert_eq!(read_all(&log, ShardId(0)).await.unwrap().len(), 300, "what was refused is nowhere");

    disk.heal();
    let tally = written(&log, &sent).await;
    assert_eq!((tally.stored, tally.refused(Refusal::DiskFull)), (300, 0));
    assert_eq!(read_all(&log, ShardId(0)).await.unwrap().len(), 600);
}

#[tokio::test]
async fn what_a_broken_disk_does_not_keep_is_counted_as_failed() {
    let disk = FaultyDisk::new(PowerCutDisk::default());
    let log = store(&disk, StreamOptions::default()).await;
    disk.fail(Fault::once(Operation::Sync, "rides"));
    let sent: Vec<Vec<u8>> = (0..50).map(|n| datagram(1, n, 1)).collect();
    for _ in 0..2 {
        // The second time nothing fails but the stream has stopped: nobody knows what the disk kept.
        let tally = written(&log, &sent).await;
        assert_eq!((tally.accepted, tally.stored, tally.refused(Refusal::Failed)), (50, 0, 50));
    }
}

/// A store that has no room for some.
#[derive(Clone)]
struct Crowded {
    log: LogStore,
    /// Which entries find no room, by their place; none for whole calls.
    each: Option<usize>,
}

impl StreamLayer for Crowded {
    fn below(&self) -> &dyn StreamStore {
        &self.log
    }

    async fn append(&self, stream: &StreamName, entries: Vec<PutEntry>) -> Result<AppendedBatch, StreamError> {
        let Some(each) = self.each else { return Err(StreamError::Throttled(stream.clone())) };
        let mut results = Vec::new();
        for (place, entry) in entries.into_iter().enumerate() {
            results.push(match place % each {
                0 => Err(AppendError::Throttled { shard: ShardId(0) }),
                _ => self.log.append(stream, vec![entry]).await?.results.remove(0),
            });
        }
        Ok(AppendedBatch { stream: self.log.describe(stream).await?, results })
    }

    async fn append_run(&self, stream: &StreamName, run: PutRun) -> Result<Vec<(usize, AppendError)>, StreamError> {
        self.append_run_as_entries(stream, run).await
    }
}

/// The log waits for room; a store over a network says that there is none.
#[tokio::test]
async fn what_the_store_has_no_room_for_is_counted_as_throttled() {
    let log = store(&PowerCutDisk::default(), StreamOptions::default()).await;
    let sent: Vec<Vec<u8>> = (0..60).map(|n| datagram(1, n * 2, 2)).collect();
    let tally = written(&Crowded { log: log.clone(), each: None }, &sent).await;
    assert_eq!((tally.accepted, tally.stored, tally.refused(Refusal::Throttled)), (60, 0, 60));

    let tally = written(&Crowded { log: log.clone(), each: Some(3) }, &sent).await;
    let (stored, throttled) = (tally.stored, tally.refused(Refusal::Throttled));
    assert!(stored > 0 && stored + throttled == 60 && 20 <= throttled, "{tally:?}");
    assert_eq!(tally.stored_records, stored * 2);
    assert_eq!(read_all(&log, ShardId(0)).await.unwrap().len() as u64, stored);
}
