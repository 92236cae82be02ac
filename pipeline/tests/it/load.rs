//! Producers that send numbers, each once, and remember what was acknowledged; and somebody who splits and merges
//! shards meanwhile.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use aws_sdk_kinesis::Client;
use aws_sdk_kinesis::primitives::Blob;
use aws_sdk_kinesis::types::{PutRecordsRequestEntry, Shard};
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use tokio::sync::Mutex;
use tokio::task::JoinHandle;

use crate::server::Server;

/// Producers of one crew.
const PRODUCERS: u64 = 4;
/// No key is sent by two crews, which may be at work at the same time.
pub(crate) const CREWS: u64 = 2;
const KEYS_OF_A_PRODUCER: u64 = 3;
const BATCH: u64 = 20;
const OPEN_SHARDS_MAX: usize = 6;

/// Where a record stands. Numbers of one length and form: their text has their order, also from parents to children.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Place {
    sequence_number: String,
    shard: String,
}

impl Place {
    pub(crate) fn new(shard: &str, sequence_number: &str) -> Place {
        assert_eq!(sequence_number.len(), 56, "{sequence_number}");
        Place { sequence_number: sequence_number.to_owned(), shard: shard.to_owned() }
    }
}

/// What servers have acknowledged, in all their lives.
#[derive(Default)]
pub(crate) struct Acknowledged {
    numbers: AtomicU64,
    pub(crate) places: Mutex<BTreeMap<Place, u64>>,
}

/// What a load does.
#[derive(Debug, Clone, Copy)]
pub(crate) struct LoadOptions {
    /// Which of the [`CREWS`] sends.
    pub(crate) crew: u64,
    /// What a producer waits between two calls.
    pub(crate) pause: Duration,
    /// How often shards are split, or merged with their neighbours.
    pub(crate) reshards: usize,
    /// Whether they are merged too.
    pub(crate) merges: bool,
}

/// A crew of producers at work on one server, and whoever changes its shards.
pub(crate) struct Load {
    producers: Vec<JoinHandle<()>>,
    resharder: JoinHandle<usize>,
    stop: Arc<AtomicBool>,
}

impl Load {
    pub(crate) fn start(server: &Server, acknowledged: &Arc<Acknowledged>, options: LoadOptions, seed: u64) -> Load {
        let stop = Arc::new(AtomicBool::new(false));
        let crew = options.crew * PRODUCERS..(options.crew + 1) * PRODUCERS;
        let produce = |producer| {
            let (kinesis, acknowledged, stop) = (server.kinesis(), Arc::clone(acknowledged), Arc::clone(&stop));
            tokio::spawn(produce(kinesis, producer, options.pause, acknowledged, stop))
        };
        let producers = crew.map(produce).collect();
        let resharder = tokio::spawn(reshard(server.kinesis(), seed, options));
        Load { producers, resharder, stop }
    }

    /// Ends the load, whose server may be gone already, and says how often shards were changed.
    pub(crate) async fn end(self) -> usize {
        self.stop.store(true, Ordering::Relaxed);
        for producer in self.producers {
            producer.await.expect("a producer ends when it is told to, or with its server");
        }
        self.resharder.await.expect("the resharder ends by itself, or with its server")
    }
}

/// All keys that are ever sent.
pub(crate) fn keys() -> impl Iterator<Item = String> {
    (0..CREWS * PRODUCERS).flat_map(|producer| (0..KEYS_OF_A_PRODUCER).map(move |n| key(producer, n)))
}

fn key(producer: u64, n: u64) -> String {
    format!("key-{producer}-{}", n % KEYS_OF_A_PRODUCER)
}

/// Sends batches until the server is gone. Each number is sent once and never again, and a key has one producer.
async fn produce(
    kinesis: Client,
    producer: u64,
    pause: Duration,
    acknowledged: Arc<Acknowledged>,
    stop: Arc<AtomicBool>,
) {
    while !stop.load(Ordering::Relaxed) {
        let first = acknowledged.numbers.fetch_add(BATCH, Ordering::Relaxed);
        let records = (first..first + BATCH).map(|n| {
            let key = key(producer, n);
            let data = format!("{{\"Key\":\"{key}\",\"N\":{n}}}");
            let entry = PutRecordsRequestEntry::builder().partition_key(key).data(Blob::new(data));
            entry.build().expect("key and data are given")
        });
        match kinesis.put_records().stream_name("numbers").set_records(Some(records.collect())).send().await {
            Ok(answer) => {
                let mut places = acknowledged.places.lock().await;
                for (result, n) in answer.records().iter().zip(first..) {
                    if let (Some(shard), Some(number)) = (result.shard_id(), result.sequence_number()) {
                        let before = places.insert(Place::new(shard, number), n);
                        assert_eq!(before, None, "{number} of {shard} was given to {n} too");
                    }
                }
            }
            // The server answers, though it could not take them: they may be kept or not.
            Err(error) if error.as_service_error().is_some() => {}
            Err(_) => return,
        }
        tokio::time::sleep(pause).await;
    }
}

/// The shards of a stream; none when the server is gone.
pub(crate) async fn shards(kinesis: &Client, stream: &str) -> Option<Vec<Shard>> {
    let (mut shards, mut next) = (Vec::new(), None::<String>);
    loop {
        let name = next.is_none().then(|| stream.to_owned());
        let page = kinesis.list_shards().set_stream_name(name).set_next_token(next).send().await.ok()?;
        shards.extend(page.shards.unwrap_or_default());
        next = page.next_token;
        if next.is_none() {
            return Some(shards);
        }
    }
}

fn hash_keys(shard: &Shard) -> (u128, u128) {
    let range = shard.hash_key_range().expect("a shard has a range");
    let parse = |text: &str| text.parse().expect("a hash key");
    (parse(range.starting_hash_key()), parse(range.ending_hash_key()))
}

fn is_open(shard: &Shard) -> bool {
    shard.sequence_number_range().is_some_and(|range| range.ending_sequence_number().is_none())
}

/// Splits a shard in the middle; false when the server says anything but that it is done.
async fn split(kinesis: &Client, shard: &Shard) -> bool {
    let (begin, end) = hash_keys(shard);
    let split = kinesis.split_shard().stream_name("numbers").shard_to_split(shard.shard_id());
    split.new_starting_hash_key((begin + (end - begin) / 2).to_string()).send().await.is_ok()
}

/// Splits every open shard, so that all that was sent stands in closed ones.
pub(crate) async fn split_all(kinesis: &Client) {
    let open: Vec<Shard> = shards(kinesis, "numbers").await.expect("ListShards").into_iter().filter(is_open).collect();
    for shard in &open {
        assert!(split(kinesis, shard).await, "{} cannot be split", shard.shard_id());
    }
}

/// Splits or merges until the server is gone; returns how often it was told that it was done.
async fn reshard(kinesis: Client, seed: u64, options: LoadOptions) -> usize {
    let mut random = StdRng::seed_from_u64(seed);
    for done in 0..options.reshards {
        let Some(mut open) = shards(&kinesis, "numbers").await else { return done };
        open.retain(is_open);
        open.sort_by_key(hash_keys);
        let at = random.random_range(0..open.len());
        let may_split = open.len() < OPEN_SHARDS_MAX;
        let answered = if open.len() == 1 || !options.merges || (may_split && random.random_bool(0.5)) {
            may_split && split(&kinesis, &open[at]).await
        } else {
            let left = at.min(open.len() - 2);
            let merge = kinesis.merge_shards().stream_name("numbers").shard_to_merge(open[left].shard_id());
            merge.adjacent_shard_to_merge(open[left + 1].shard_id()).send().await.is_ok()
        };
        if !answered {
            return done;
        }
    }
    options.reshards
}
