//! Speed of recovery. Slow to prepare, so by hand:
//! `cargo test --release -p ingest --test it -- --ignored --nocapture large`

use std::sync::Arc;
use std::time::{Duration, Instant};

use ingest::log::file::StdDisk;
use ingest::log::store::{LogOptions, LogStore};
use model::stream_store::{StreamOptions, StreamStore};

use crate::common::{clock, entry, put, read_by, stream};

/// A little more than 1 GiB, so that the last segment is well filled.
const LOG_BYTES: usize = (1 << 30) + (32 << 20);
const APPEND_BYTES: usize = 4 << 20;

#[tokio::test]
#[ignore = "writes 1 GiB"]
async fn a_log_of_1_gib_opens_within_a_second() {
    let folder = tempfile::tempdir().unwrap();
    let open = || LogStore::open(clock(), Arc::new(StdDisk), folder.path(), LogOptions::default());
    let store = open().await.unwrap();
    store.create(&stream(), StreamOptions { shards: 4, ..StreamOptions::default() }).await.unwrap();
    let record = vec![7; 200];
    let begin = Instant::now();
    for _ in 0..LOG_BYTES / APPEND_BYTES {
        put(&store, (0..APPEND_BYTES / 200).map(|i| entry(&format!("{i}"), record.clone())).collect()).await;
    }
    println!("written in {:?}", begin.elapsed());
    drop(store);
    let begin = Instant::now();
    let store = open().await.unwrap();
    let took = begin.elapsed();
    println!("opened in {took:?}");
    assert!(took < Duration::from_secs(1), "{took:?}");
    let begin = Instant::now();
    let limit = model::stream_store::ReadLimit { records_max: 10_000, bytes_max: 1 << 20, wait: false };
    let mut records = 0;
    for shard in store.describe(&stream()).await.unwrap().shards.iter() {
        records += read_by(&store, shard.id, limit).await.unwrap().len();
    }
    println!("{records} records read in {:?}", begin.elapsed());
}
