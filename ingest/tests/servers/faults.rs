//! Brokers killed, paused and started again under load: what is acknowledged is there once, and each record is worked on
//! once.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use ingest::kafka::options::KafkaOptions;
use ingest::kafka::store::KafkaStore;
use ingest::testing::kafka_cluster::KafkaCluster;
use model::name::{ConsumerName, StreamName};
use model::stream::checkpoint::Checkpoint;
use model::stream::consumer::StreamReader;
use model::stream::store::{AppendError, StartingPosition, StreamStore};
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

use crate::common::{create, entry, logs, name, open, read_all};

/// Long enough that the others take a node for dead: see `infra/kafka/start.sh`.
const LONG_PAUSE: Duration = Duration::from_secs(8);
const PRODUCERS: u64 = 3;
/// How long everything may take to heal.
const HEALING_MAX: Duration = Duration::from_secs(90);

/// So many are acknowledged between two faults.
const ACKNOWLEDGED_MIN: usize = 100;

/// How far producers are, and whether they are to stop.
#[derive(Default)]
struct Progress {
    acknowledged: [AtomicUsize; PRODUCERS as usize],
    stop: AtomicBool,
}

impl Progress {
    /// Waits until some more entries are acknowledged: the cluster is in service again.
    fn wait(&self) {
        let count = || self.acknowledged.iter().map(|count| count.load(Ordering::Relaxed)).sum::<usize>();
        let (before, begin) = (count(), Instant::now());
        while count() < before + ACKNOWLEDGED_MIN {
            assert!(begin.elapsed() < HEALING_MAX, "nothing is acknowledged any more");
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}

/// Appends numbered entries until told to stop; returns the numbers that were acknowledged. An entry that was not is not
/// tried again: it may be there or not.
async fn produce(store: Arc<KafkaStore>, stream: StreamName, producer: u64, progress: Arc<Progress>) -> Vec<String> {
    let (mut acknowledged, mut next) = (Vec::new(), 0);
    while !progress.stop.load(Ordering::Relaxed) {
        let texts: Vec<String> = (next..next + 20).map(|n| format!("{producer}-{n}")).collect();
        next += 20;
        let entries = texts.iter().map(|text| entry(text, text.clone())).collect();
        let Ok(batch) = store.append(&stream, entries).await else { continue };
        acknowledged
            .extend(texts.into_iter().zip(batch.results).filter_map(|(text, result)| result.is_ok().then_some(text)));
        progress.acknowledged[producer as usize].store(acknowledged.len(), Ordering::Relaxed);
    }
    acknowledged
}

/// Copies a stream to another one, each batch with the positions behind it in one commit; anew from its checkpoint
/// after an error.
async fn copy(store: Arc<KafkaStore>, from: StreamName, to: StreamName, trouble: Arc<Mutex<Vec<String>>>) {
    let consumer = ConsumerName::new("copy").unwrap();
    loop {
        let tried: Result<(), String> = async {
            let found = store.checkpoint(&to, &consumer).await.map_err(|e| format!("checkpoint: {e:?}"))?;
            let found = found.unwrap_or_default();
            let (mut version, mut positions) = (found.version, found.positions);
            let seam: Arc<dyn StreamStore> = store.clone();
            let begin = StartingPosition::TrimHorizon;
            let reader = StreamReader::open(seam, from.clone(), positions.clone(), begin).await;
            let mut reader = reader.map_err(|e| format!("open: {e:?}"))?;
            loop {
                let batch = reader.next().await.map_err(|e| format!("next: {e:?}"))?;
                let rows = batch.records.iter().map(|r| entry(r.partition_key.as_str(), r.data.clone())).collect();
                positions = reader.positions().clone();
                version += 1;
                let checkpoint = Checkpoint { version, positions: positions.clone(), state: Default::default() };
                let committed = store.commit(&to, &consumer, checkpoint, rows).await;
                committed.map_err(|e| format!("commit: {e:?}"))?;
            }
        }
        .await;
        if let Err(error) = tried {
            trouble.lock().unwrap().push(error);
        }
    }
}

fn one_fault(cluster: &KafkaCluster, random: &mut StdRng) {
    let node = random.random_range(1..=3);
    match random.random_range(0..3) {
        0 => {
            println!("node {node} is killed");
            cluster.kill(node);
            std::thread::sleep(Duration::from_millis(random.random_range(0..4000)));
            cluster.restart(node);
        }
        kind => {
            let pause = if kind == 1 { LONG_PAUSE } else { Duration::from_millis(random.random_range(0..3000)) };
            println!("node {node} is paused for {pause:?}");
            cluster.pause(node);
            std::thread::sleep(pause);
            cluster.resume(node);
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_lost_or_doubled_when_brokers_fail() {
    logs();
    let faults: usize = std::env::var("KAFKA_FAULTS").map_or(4, |faults| faults.parse().unwrap());
    let seed: u64 = std::env::var("SEED").map_or_else(|_| rand::random(), |seed| seed.parse().unwrap());
    println!("SEED={seed}");
    let mut random = StdRng::seed_from_u64(seed);
    let cluster = Arc::new(KafkaCluster::start(3));
    let store = open(&cluster).await;
    let (from, to) = (create(&*store, "numbers", 3).await, create(&*store, "copies", 2).await);
    let (progress, trouble) = (Arc::new(Progress::default()), Arc::new(Mutex::new(Vec::new())));
    let producers: Vec<_> = (0..PRODUCERS)
        .map(|producer| tokio::spawn(produce(store.clone(), from.clone(), producer, Arc::clone(&progress))))
        .collect();
    let copier = tokio::spawn(copy(store.clone(), from.clone(), to.clone(), Arc::clone(&trouble)));
    let watched = Arc::clone(&progress);
    let cluster = tokio::task::spawn_blocking(move || {
        watched.wait();
        for _ in 0..faults {
            one_fault(&cluster, &mut random);
            watched.wait();
        }
        cluster
    });
    let cluster = cluster.await.unwrap();
    progress.stop.store(true, Ordering::Relaxed);
    let mut acknowledged = BTreeSet::new();
    for producer in producers {
        acknowledged.extend(producer.await.unwrap());
    }

    let begin = Instant::now();
    let (there, copied) = loop {
        let (there, copied) = (read_all(&*store, &from).await, read_all(&*store, &to).await);
        if there.len() <= copied.len() || begin.elapsed() > HEALING_MAX {
            break (there, copied);
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    };
    copier.abort();
    drop(store);
    let trouble = trouble.lock().unwrap().clone();
    let healing = begin.elapsed();
    println!(
        "{} acknowledged, {} there, {} copied; healed after {healing:?}",
        acknowledged.len(),
        there.len(),
        copied.len()
    );
    println!("the copier met {trouble:#?}");
    if copied.len() < there.len() {
        println!("{}", cluster.logs());
    }
    let counted = |texts: &[String]| {
        texts.iter().fold(BTreeMap::<String, usize>::new(), |mut counts, text| {
            *counts.entry(text.clone()).or_default() += 1;
            counts
        })
    };
    let (there, copied) = (counted(&there), counted(&copied));
    let lost: Vec<_> = acknowledged.iter().filter(|text| !there.contains_key(*text)).collect();
    assert!(lost.is_empty(), "lost: {lost:?}");
    assert!(there.values().all(|count| *count == 1), "an entry that was appended once is there twice");
    assert_eq!(copied, there, "every record is worked on once");
    drop(cluster);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn producers_are_throttled_while_no_broker_answers() {
    logs();
    let cluster = KafkaCluster::start(1);
    let options = KafkaOptions { waiting_bytes_max: 1 << 20, ..KafkaOptions::new(cluster.brokers()) };
    let store = Arc::new(KafkaStore::open(options).await.unwrap());
    let stream = create(&*store, "throttled", 1).await;
    store.append(&stream, vec![entry("k", "before")]).await.unwrap();
    cluster.pause(1);
    let waits = store.clone();
    let waiting = tokio::spawn(async move {
        let entries = (0..40).map(|n| entry("k", vec![n; 64 << 10])).collect();
        waits.append(&name("throttled"), entries).await.unwrap().results
    });
    // What is over the bound is refused at once, with the brokers still silent.
    let begin = Instant::now();
    while begin.elapsed() < HEALING_MAX {
        let results = store.append(&stream, vec![entry("k", vec![0; 512 << 10])]);
        match tokio::time::timeout(Duration::from_secs(1), results).await {
            Ok(results) => {
                let results = results.unwrap().results;
                assert!(matches!(results[..], [Err(AppendError::Throttled { .. })]), "{results:?}");
                break;
            }
            // It fitted, and waits.
            Err(_) => continue,
        }
    }
    assert!(begin.elapsed() < HEALING_MAX, "never throttled");
    cluster.resume(1);
    let results = waiting.await.unwrap();
    let (taken, throttled): (Vec<_>, Vec<_>) = results.iter().partition(|result| result.is_ok());
    assert!(!taken.is_empty(), "what was taken before the bound is acknowledged as soon as a broker answers");
    assert!(throttled.iter().all(|result| matches!(result, Err(AppendError::Throttled { .. }))), "{throttled:?}");
    assert!(!throttled.is_empty());
}
