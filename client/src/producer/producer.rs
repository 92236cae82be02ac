//! Batches entries and sends them until each is acknowledged or given up.
//!
//! ```text
//! send(entry) ── hash of the key ──▶ lane 0: queue ──▶ batch ──▶ one call under way ──┐
//!                              └───▶ lane 1: ..          ▲── entries that failed ◀─────┘
//! ```
//!
//! A key always takes the same lane and a lane has one call under way, so calls never overtake each other. Within a
//! call that is taken in part, an entry that is sent again comes after those of its key that were taken, as with
//! every client of PutRecords.

use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use model::stream::record::PutEntry;
use rand::Rng;
use tokio::sync::mpsc::{Receiver, Sender, channel};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, timeout, timeout_at};

use crate::producer::report::{Report, Tally};
use crate::producer::transport::{CallError, Place, Transport};

/// The most entries in a call, as PutRecords allows.
pub const BATCH_ENTRIES_MAX: usize = 500;
/// A call is sent when it has this many bytes.
pub const BATCH_BYTES_MAX: usize = 4 << 20;

/// How long an interrupted producer waits for what it has been given.
pub const INTERRUPTED_MAX: Duration = Duration::from_secs(10);

/// How a producer works.
#[derive(Debug, Clone)]
pub struct ProducerOptions {
    /// Lanes, each with one call under way.
    pub lanes: usize,
    /// Entries that wait in a lane before `send` waits.
    pub queue_entries_max: usize,
    /// The longest that an entry waits for others to fill its batch.
    pub linger_max: Duration,
    /// How often an entry is sent before it is given up.
    pub tries_max: u32,
    /// The longest wait between two tries.
    pub backoff_max: Duration,
}

impl Default for ProducerOptions {
    fn default() -> Self {
        ProducerOptions {
            lanes: 4,
            queue_entries_max: 2000,
            linger_max: Duration::from_millis(50),
            tries_max: 12,
            backoff_max: Duration::from_secs(5),
        }
    }
}

struct Waiting {
    entry: PutEntry,
    since: Instant,
}

/// Sends entries to one stream.
pub struct Producer {
    lanes: Vec<Sender<Waiting>>,
    tasks: JoinSet<()>,
    tally: Arc<Mutex<Tally>>,
    begin: Instant,
}

fn lock(tally: &Mutex<Tally>) -> MutexGuard<'_, Tally> {
    tally.lock().expect("no holder of the lock panics")
}

impl Producer {
    /// Starts the lanes.
    pub fn new(transport: Arc<dyn Transport>, options: ProducerOptions) -> Self {
        let tally = Arc::new(Mutex::new(Tally::default()));
        let (mut lanes, mut tasks) = (Vec::new(), JoinSet::new());
        for _ in 0..options.lanes.max(1) {
            let (sender, receiver) = channel(options.queue_entries_max.max(1));
            lanes.push(sender);
            let (transport, tally) = (Arc::clone(&transport), Arc::clone(&tally));
            tasks.spawn(Lane { transport, tally, options: options.clone() }.run(receiver));
        }
        Producer { lanes, tasks, tally, begin: Instant::now() }
    }

    /// Hands an entry over; waits while its lane is full.
    pub async fn send(&self, entry: PutEntry) {
        lock(&self.tally).sent += 1;
        let lane = (entry.hash_key().0 % self.lanes.len() as u128) as usize;
        let waiting = Waiting { entry, since: Instant::now() };
        self.lanes[lane].send(waiting).await.expect("a lane ends only when its sender is dropped");
    }

    /// What stands now.
    pub fn report(&self) -> Report {
        lock(&self.tally).report(self.begin.elapsed())
    }

    /// Sends what waits and returns once every entry is acknowledged or given up.
    pub async fn finish(mut self) -> Report {
        self.end().await;
        self.last_report()
    }

    /// The same for somebody who does not want to wait: what is not acknowledged within [`INTERRUPTED_MAX`] is given
    /// up.
    pub async fn finish_interrupted(mut self) -> Report {
        if timeout(INTERRUPTED_MAX, self.end()).await.is_err() {
            self.tasks.shutdown().await;
            let seconds = INTERRUPTED_MAX.as_secs();
            let reason = format!(
                "the server did not answer within {seconds} s of the interruption; these records may or may not be stored"
            );
            lock(&self.tally).give_up(reason);
        }
        self.last_report()
    }

    async fn end(&mut self) {
        self.lanes.clear();
        while let Some(ended) = self.tasks.join_next().await {
            ended.expect("a lane does not panic");
        }
    }

    fn last_report(&self) -> Report {
        let shards = lock(&self.tally).spans();
        Report { shards, ..self.report() }
    }
}

struct Lane {
    transport: Arc<dyn Transport>,
    tally: Arc<Mutex<Tally>>,
    options: ProducerOptions,
}

impl Lane {
    async fn run(self, mut queue: Receiver<Waiting>) {
        while let Some(first) = queue.recv().await {
            let batch = self.fill(first, &mut queue).await;
            self.deliver(batch).await;
        }
    }

    /// The entries that wait, and those that come before the first has lingered long enough.
    async fn fill(&self, first: Waiting, queue: &mut Receiver<Waiting>) -> Vec<Waiting> {
        let until = first.since + self.options.linger_max;
        let mut bytes = first.entry.size_bytes();
        let mut batch = vec![first];
        while batch.len() < BATCH_ENTRIES_MAX && bytes < BATCH_BYTES_MAX {
            match timeout_at(until, queue.recv()).await {
                Ok(Some(next)) => {
                    bytes += next.entry.size_bytes();
                    batch.push(next);
                }
                Ok(None) | Err(_) => break,
            }
        }
        batch
    }

    /// Tries until each entry is acknowledged or given up.
    async fn deliver(&self, mut batch: Vec<Waiting>) {
        for tried in 1.. {
            let entries: Vec<PutEntry> = batch.iter().map(|waiting| waiting.entry.clone()).collect();
            let outcome = self.transport.put(&entries).await;
            let reason = match outcome {
                Ok(results) => {
                    let (left, reason) = self.sort_out(batch, results);
                    batch = left;
                    reason
                }
                Err(CallError::Passing(reason)) => reason,
                Err(CallError::Final(reason)) => return lock(&self.tally).fail(batch.len() as u64, reason),
            };
            if batch.is_empty() {
                return;
            }
            if tried >= self.options.tries_max {
                return lock(&self.tally).fail(batch.len() as u64, reason);
            }
            sleep(self.backoff(tried)).await;
        }
    }

    /// Counts what was taken; returns what was not, and why.
    fn sort_out(&self, batch: Vec<Waiting>, results: Vec<Result<Place, String>>) -> (Vec<Waiting>, String) {
        let now = Instant::now();
        let (mut left, mut reason) = (Vec::new(), String::new());
        let mut tally = lock(&self.tally);
        for (waiting, result) in batch.into_iter().zip(results) {
            match result {
                Ok(place) => tally.acknowledge(now - waiting.since, place),
                Err(why) => {
                    left.push(waiting);
                    reason = why;
                }
            }
        }
        (left, reason)
    }

    /// Doubles with every try up to the bound; between half and all of that, so that lanes do not march in step.
    fn backoff(&self, tried: u32) -> Duration {
        let full = Duration::from_millis(25).saturating_mul(1 << tried.min(16)).min(self.options.backoff_max);
        full.mul_f64(rand::rng().random_range(0.5..1.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use async_trait::async_trait;
    use bytes::Bytes;
    use model::stream::hash_key::PartitionKey;
    use rand::SeedableRng;
    use rand::rngs::StdRng;
    use std::collections::BTreeMap;

    /// Takes a part of each call, as its seed says.
    struct Moody {
        random: Mutex<StdRng>,
        refuse: f64,
        taken: Mutex<Vec<PutEntry>>,
        calls: Mutex<Vec<usize>>,
    }

    impl Moody {
        fn new(seed: u64, refuse: f64) -> Arc<Self> {
            let random = Mutex::new(StdRng::seed_from_u64(seed));
            Arc::new(Moody { random, refuse, taken: Mutex::default(), calls: Mutex::default() })
        }
    }

    #[async_trait]
    impl Transport for Moody {
        async fn put(&self, entries: &[PutEntry]) -> Result<Vec<Result<Place, String>>, CallError> {
            let mut random = self.random.lock().expect("one lane at a time panics");
            self.calls.lock().expect("no panic").push(entries.len());
            if random.random_bool(self.refuse / 2.0) {
                return Err(CallError::Passing("connection reset".into()));
            }
            let mut taken = self.taken.lock().expect("no panic");
            let results = entries.iter().map(|entry| {
                if random.random_bool(self.refuse) {
                    return Err("ProvisionedThroughputExceededException: slow down".into());
                }
                taken.push(entry.clone());
                Ok(Place::default())
            });
            Ok(results.collect())
        }
    }

    fn entry(key: usize, number: usize) -> PutEntry {
        let key = PartitionKey::new(format!("key-{key}")).expect("short");
        PutEntry::new(key, Bytes::from(number.to_string()))
    }

    async fn send_all(transport: &Arc<Moody>, entries: usize, options: ProducerOptions) -> Report {
        let producer = Producer::new(Arc::clone(transport) as Arc<dyn Transport>, options);
        for number in 0..entries {
            producer.send(entry(number % 11, number)).await;
        }
        producer.finish().await
    }

    #[tokio::test(start_paused = true)]
    async fn only_what_failed_is_sent_again() {
        let transport = Moody::new(7, 0.3);
        let options = ProducerOptions { tries_max: 1000, ..ProducerOptions::default() };
        let report = send_all(&transport, 5000, options).await;
        assert_eq!((report.sent, report.acknowledged, report.failed), (5000, 5000, 0));
        let mut taken: Vec<usize> = transport
            .taken
            .lock()
            .expect("no panic")
            .iter()
            .map(|entry| String::from_utf8_lossy(&entry.data).parse().expect("a number"))
            .collect();
        taken.sort_unstable();
        assert_eq!(taken, (0..5000).collect::<Vec<_>>(), "each is taken once");
        assert!(transport.calls.lock().expect("no panic").iter().all(|entries| *entries <= BATCH_ENTRIES_MAX));
    }

    #[tokio::test(start_paused = true)]
    async fn keys_keep_their_order() {
        let transport = Moody::new(1, 0.0);
        send_all(&transport, 3000, ProducerOptions::default()).await;
        let mut per_key: BTreeMap<String, Vec<usize>> = BTreeMap::new();
        for entry in transport.taken.lock().expect("no panic").iter() {
            let number = String::from_utf8_lossy(&entry.data).parse().expect("a number");
            per_key.entry(entry.partition_key.to_string()).or_default().push(number);
        }
        assert_eq!(per_key.len(), 11);
        assert!(per_key.values().all(|numbers| numbers.is_sorted()));
    }

    #[tokio::test(start_paused = true)]
    async fn an_interrupted_producer_ends_though_its_server_is_gone() {
        let transport = Moody::new(3, 1.0);
        let producer = Producer::new(Arc::clone(&transport) as Arc<dyn Transport>, ProducerOptions::default());
        for number in 0..3000 {
            producer.send(entry(number % 11, number)).await;
        }
        let begin = Instant::now();
        let report = producer.finish_interrupted().await;
        assert_eq!((report.sent, report.acknowledged, report.failed), (3000, 0, 3000));
        assert_eq!(begin.elapsed(), INTERRUPTED_MAX);
        assert!(report.last_failure.expect("a reason").contains("within 10 s"));
    }

    #[tokio::test(start_paused = true)]
    async fn what_never_succeeds_is_given_up_and_counted() {
        let transport = Moody::new(1, 1.0);
        let options = ProducerOptions { tries_max: 3, lanes: 1, ..ProducerOptions::default() };
        let report = send_all(&transport, 10, options).await;
        assert_eq!((report.acknowledged, report.failed), (0, 10));
        assert_eq!(transport.calls.lock().expect("no panic").len(), 3);
        assert!(report.last_failure.is_some());
    }
}
