//! A folder of streams before it is damaged: plain and encrypted, resharded, trimmed, with commits.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::Bytes;
use ingest::log::options::LogOptions;
use ingest::log::store::LogStore;
use model::name::StreamName;
use model::stream::checkpoint::Checkpoint;
use model::stream::hash_key::HashKey;
use model::stream::settings::StreamSettings;
use model::stream::shard::Reshard;
use model::stream::store::{StreamError, StreamOptions, StreamStore};
use model::testing::power_cut::PowerCutDisk;
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

use crate::common::{KEYS, clock, consumer, entry, key_ring};
use crate::repair::truth::Truth;

pub(super) const STREAMS: [&str; 3] = ["plain", "secret", "small"];
const STEPS: usize = 120;

pub(super) fn name(stream: &str) -> StreamName {
    StreamName::new(stream).unwrap()
}

pub(super) fn folder_of(stream: &StreamName) -> PathBuf {
    Path::new("/streams").join(stream.as_str())
}

pub(super) fn originals() -> PathBuf {
    PathBuf::from("/damaged")
}

pub(super) async fn open(disk: &PowerCutDisk) -> LogStore {
    let options = LogOptions { segment_bytes_max: 6 << 10, tail_bytes_max: 0, ..LogOptions::small() };
    LogStore::open_with_keys(clock(), Arc::new(disk.clone()), key_ring(), Path::new("/streams"), options).await.unwrap()
}

pub(super) struct World {
    pub(super) disk: PowerCutDisk,
    pub(super) truth: BTreeMap<StreamName, Truth>,
}

impl World {
    pub(super) async fn new(seed: u64) -> World {
        let (mut random, disk) = (StdRng::seed_from_u64(seed ^ 0x5eed), PowerCutDisk::default());
        let mut store = open(&disk).await;
        for stream in STREAMS.map(name) {
            let retention_bytes_max = (stream.as_str() == "plain" && random.random()).then_some(24 << 10);
            let options = StreamOptions { shards: 2, retention_bytes_max, ..StreamOptions::default() };
            store.create(&stream, options).await.unwrap();
        }
        set_key(&store, &name("secret"), KEYS[0]).await;
        for step in 0..STEPS {
            let stream = name(STREAMS[if random.random_bool(0.1) { 2 } else { random.random_range(0..2) }]);
            act(&store, &stream, step, &mut random).await;
            if random.random_bool(0.02) {
                store.close().await;
                store = open(&disk).await;
            }
        }
        for stream in STREAMS.map(name) {
            while random.random_bool(0.8) && store.compact(&stream).await.unwrap().is_some() {}
        }
        store.close().await;
        let store = open(&disk).await;
        let mut truth = BTreeMap::new();
        for stream in STREAMS.map(name) {
            truth.insert(stream.clone(), Truth::of(&store, &stream).await);
        }
        store.close().await;
        World { disk, truth }
    }
}

async fn set_key(store: &LogStore, stream: &StreamName, key: &str) {
    let from = store.describe(stream).await.unwrap().settings.clone();
    let to = StreamSettings { encryption_key: Some(key.to_owned()), ..from.clone() };
    store.alter(stream, &from, to).await.unwrap();
}

async fn act(store: &LogStore, stream: &StreamName, step: usize, random: &mut StdRng) {
    match random.random_range(0..20) {
        0 => {
            let open: Vec<_> = store.describe(stream).await.unwrap().shards.open().cloned().collect();
            let shard = &open[random.random_range(0..open.len())];
            let at = HashKey(shard.range.start.0 + (shard.range.end.0 - shard.range.start.0) / 2);
            match store.reshard(stream, Reshard::Split { shard: shard.id, at }).await {
                Ok(_) | Err(StreamError::Reshard { .. }) => {}
                Err(error) => panic!("{error}"),
            }
        }
        1 => store.trim(stream).await.unwrap(),
        2 if stream.as_str() == "secret" => set_key(store, stream, KEYS[random.random_range(0..2)]).await,
        3..8 => {
            let version = store.checkpoint(stream, &consumer()).await.unwrap().map_or(0, |found| found.version) + 1;
            let state = Bytes::from(vec![step as u8; random.random_range(0..600)]);
            let checkpoint = Checkpoint { version, state, ..Checkpoint::default() };
            let outputs = (0..random.random_range(0..4)).map(|i| entry(&format!("out-{i}"), format!("row {step}")));
            store.commit(stream, &consumer(), checkpoint, outputs.collect()).await.unwrap();
        }
        _ => {
            let puts = (0..random.random_range(1..8)).map(|i| {
                let data = format!("{step}.{i} ").repeat(random.random_range(1..60));
                entry(&format!("key-{}", random.random_range(0..50)), data)
            });
            let results = store.append(stream, puts.collect()).await.unwrap().results;
            assert!(results.iter().all(Result::is_ok));
        }
    }
}
