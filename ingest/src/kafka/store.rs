//! The store: a Kafka cluster behind [`StreamStore`].

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, RwLock};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use model::checkpoint::{Checkpoint, STATE_BYTES_MAX};
use model::name::{ConsumerName, StreamName};
use model::record::{Appended, PutEntry};
use model::sequence_number::SequenceNumber;
use model::shard::{Reshard, ShardId};
use model::stream_settings::StreamSettings;
use model::stream_store::{
    AppendError, ReadBatch, ReadLimit, StartingPosition, StreamDescription, StreamError, StreamOptions, StreamStore,
};
use tokio::task::JoinHandle;
use tracing::{debug, info, warn};

use crate::kafka::admin::Admin;
use crate::kafka::appender::{Appender, Refused};
use crate::kafka::broker_time::BrokerTime;
use crate::kafka::checkpoints::{Checkpoints, Holder};
use crate::kafka::clients::{Clients, detached};
use crate::kafka::committer::{Commit, Committer};
use crate::kafka::fault::Fault;
use crate::kafka::fetcher::Fetcher;
use crate::kafka::options::KafkaOptions;
use crate::kafka::range_reader::RangeReader;
use crate::kafka::reader::Reader;
use crate::kafka::registry::{Entries, Entry, Registry, RegistryWriter};
use crate::kafka::stream::{Stream, partition_number};

/// The most bytes of outputs one commit may have.
pub const COMMIT_OUTPUT_BYTES_MAX: usize = 256 << 20;
/// How often changes of other processes are looked for, and shards that nobody reads are left.
const CARE_INTERVAL: Duration = Duration::from_secs(1);
/// A name that is not known is looked for in the cluster at most this often.
const LOOK_INTERVAL: Duration = Duration::from_millis(250);

/// Streams on a Kafka cluster. Clones share it.
#[derive(Clone)]
pub struct KafkaStore {
    inner: Arc<Inner>,
}

struct Inner {
    clients: Arc<Clients>,
    ranges: Arc<RangeReader>,
    fetcher: Arc<Fetcher>,
    time: Arc<BrokerTime>,
    appender: Arc<Appender>,
    registry: Arc<Registry>,
    checkpoints: Arc<Checkpoints>,
    admin: Admin,
    streams: RwLock<HashMap<StreamName, Arc<Stream>>>,
    committers: Mutex<HashMap<Holder, Arc<tokio::sync::Mutex<Committer>>>>,
    looked_at: Mutex<Option<Instant>>,
    /// The brokers did not answer when they were last asked.
    out_of_reach: AtomicBool,
    tasks: Mutex<Vec<JoinHandle<()>>>,
}

/// Trouble with the cluster has no stream: it is told under a name that says so.
fn of_all(fault: Fault) -> StreamError {
    fault.of(&StreamName::new("all-streams").expect("a valid name"))
}

impl KafkaStore {
    /// Connects to the cluster, and makes the topics that the store keeps for itself if they are not there.
    pub async fn open(options: KafkaOptions) -> Result<KafkaStore, StreamError> {
        options.check().map_err(|reserved| StreamError::LimitExceeded(reserved.to_string()))?;
        let clients = Arc::new(Clients::new(options).map_err(of_all)?);
        let ranges = Arc::new(RangeReader::new(Arc::clone(&clients)));
        let registry = Registry::open(Arc::clone(&clients), Arc::clone(&ranges)).await.map_err(of_all)?;
        let registry = Arc::new(registry);
        let checkpoints = Checkpoints::open(Arc::clone(&clients), Arc::clone(&ranges)).await.map_err(of_all)?;
        let checkpoints = Arc::new(checkpoints);
        let time = Arc::new(BrokerTime::open(Arc::clone(&clients)).await.map_err(of_all)?);
        let fetcher = Arc::new(Fetcher::start(Arc::clone(&clients)).map_err(of_all)?);
        let appender = Arc::new(Appender::new(Arc::clone(&clients)).map_err(of_all)?);
        let writer = RegistryWriter::new(Arc::clone(&clients), Arc::clone(&registry));
        let admin = Admin {
            clients: Arc::clone(&clients),
            fetcher: Arc::clone(&fetcher),
            time: Arc::clone(&time),
            appender: Arc::clone(&appender),
            checkpoints: Arc::clone(&checkpoints),
            writer: tokio::sync::Mutex::new(writer),
        };
        let (streams, committers, looked_at) = (RwLock::default(), Mutex::default(), Mutex::default());
        let tasks = Mutex::default();
        let inner = Arc::new(Inner {
            clients,
            ranges,
            fetcher,
            time,
            appender,
            registry,
            checkpoints,
            admin,
            streams,
            committers,
            looked_at,
            out_of_reach: AtomicBool::new(false),
            tasks,
        });
        if let Err(fault) = inner.time.tick().await {
            debug!(error = &fault as &dyn std::error::Error, "no tick yet");
        }
        inner.admin.sweep().await?;
        inner.take_over(&inner.registry.entries().await.map_err(of_all)?);
        inner.start_tasks();
        Ok(KafkaStore { inner })
    }

    /// Waits until appends are answered, and stops reading. What is acknowledged is the brokers' already.
    pub async fn close(&self) {
        if let Err(fault) = self.inner.appender.flush().await {
            warn!(error = &fault as &dyn std::error::Error, "appends were on their way when the store was closed");
        }
        self.inner.stop_tasks();
        self.inner.fetcher.stop().await;
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        self.stop_tasks();
    }
}

impl Inner {
    /// Tasks hold parts of the store, never the store itself: it ends when its last holder lets go.
    fn start_tasks(self: &Arc<Self>) {
        let (time, fetcher, ranges) = (Arc::clone(&self.time), Arc::clone(&self.fetcher), Arc::clone(&self.ranges));
        let rounds = tokio::spawn(async move { time.run(&fetcher, &ranges).await });
        let store = Arc::downgrade(self);
        let care = tokio::spawn(async move {
            let mut pause = tokio::time::interval(CARE_INTERVAL);
            loop {
                pause.tick().await;
                let Some(store) = store.upgrade() else { return };
                store.care().await;
            }
        });
        self.tasks.lock().expect("no holder of the lock panics").extend([rounds, care]);
    }

    fn stop_tasks(&self) {
        self.tasks.lock().expect("no holder of the lock panics").drain(..).for_each(|task| task.abort());
    }

    async fn care(&self) {
        self.clients.drain_news();
        self.fetcher.leave_idle().await;
        match self.registry.entries().await {
            Ok(entries) => {
                if self.out_of_reach.swap(false, Ordering::Relaxed) {
                    info!("the Kafka brokers answer again");
                }
                self.take_over(&entries);
            }
            Err(fault) => {
                if !self.out_of_reach.swap(true, Ordering::Relaxed) {
                    warn!(error = &fault as &dyn std::error::Error, "the Kafka brokers do not answer");
                }
            }
        }
    }

    /// Makes the streams in service what the registry says.
    fn take_over(&self, entries: &Entries) {
        let mut streams = self.streams.write().expect("no holder of the lock panics");
        streams.retain(|name, stream| {
            let same = entries.get(name).is_some_and(|entry| entry.incarnation == stream.incarnation);
            if !same {
                stream.delete();
            }
            same
        });
        for (name, entry) in entries {
            match streams.get(name) {
                Some(stream) => stream.update(entry),
                None => drop(streams.insert(name.clone(), Arc::new(Stream::new(name, entry)))),
            }
        }
    }

    fn add(&self, name: &StreamName, entry: &Entry) -> Arc<Stream> {
        let mut streams = self.streams.write().expect("no holder of the lock panics");
        let known = streams.get(name).filter(|stream| stream.incarnation == entry.incarnation);
        let stream = known.cloned().unwrap_or_else(|| Arc::new(Stream::new(name, entry)));
        streams.insert(name.clone(), Arc::clone(&stream));
        stream
    }

    fn known(&self, name: &StreamName) -> Option<Arc<Stream>> {
        self.streams.read().expect("no holder of the lock panics").get(name).cloned()
    }

    /// The stream of that name; one that is not known may be a topic that somebody else has made.
    async fn stream(self: &Arc<Self>, name: &StreamName) -> Result<Arc<Stream>, StreamError> {
        if let Some(stream) = self.known(name) {
            return Ok(stream);
        }
        let missing = || StreamError::NotFound(name.clone());
        {
            let mut looked_at = self.looked_at.lock().expect("no holder of the lock panics");
            if looked_at.is_some_and(|at| at.elapsed() < LOOK_INTERVAL) {
                return Err(missing());
            }
            *looked_at = Some(Instant::now());
        }
        let (inner, wanted) = (Arc::clone(self), name.clone());
        match detached(async move { inner.admin.adopt(&wanted).await }).await? {
            Some(entry) => Ok(self.add(name, &entry)),
            None => Err(missing()),
        }
    }

    fn reader<'a>(&'a self, stream: &'a Stream) -> Reader<'a> {
        Reader { clients: &self.clients, ranges: &self.ranges, fetcher: &self.fetcher, time: &self.time, stream }
    }

    fn committer(&self, holder: Holder) -> Arc<tokio::sync::Mutex<Committer>> {
        let mut committers = self.committers.lock().expect("no holder of the lock panics");
        let new = || {
            let (clients, checkpoints) = (Arc::clone(&self.clients), Arc::clone(&self.checkpoints));
            Arc::new(tokio::sync::Mutex::new(Committer::new(clients, checkpoints, holder.clone())))
        };
        Arc::clone(committers.entry(holder.clone()).or_insert_with(new))
    }

    async fn append(
        &self,
        stream: &Stream,
        entries: Vec<PutEntry>,
    ) -> Result<Vec<Result<Appended, AppendError>>, StreamError> {
        let name = &stream.name;
        // The shard map stays as it is until brokers have answered.
        let _gate = stream.gate.read().await;
        stream.check()?;
        let description = stream.description();
        let mut results: Vec<Option<AppendError>> = Vec::with_capacity(entries.len());
        let mut taken: Vec<(i32, PutEntry)> = Vec::with_capacity(entries.len());
        for entry in entries {
            let refused = check(&entry, &description.settings).err();
            if refused.is_none() {
                let shard = description.shards.route(entry.hash_key());
                taken.push((partition_number(shard), entry));
            }
            results.push(refused);
        }
        let answers = self.appender.append(name.as_str(), &taken).await;
        let mut unanswered = answers.iter().filter_map(|answer| match answer {
            Err(Refused::Unanswered(reason)) => Some(reason),
            _ => None,
        });
        if let Some(reason) = unanswered.next() {
            warn!(stream = %name, entries = unanswered.count() + 1, reason, "entries were not acknowledged in time");
        }
        let mut answers = taken.iter().zip(answers).map(|((partition, _), answer)| {
            let shard = ShardId(*partition as u32);
            match answer {
                Ok(delivered) => {
                    let base = description.shards.get(shard).expect("an open shard is in the map").first;
                    let sequence_number = base.plus(delivered.offset);
                    stream.acknowledge(shard, sequence_number);
                    Ok(Appended { shard, sequence_number, arrived_at: delivered.arrived_at })
                }
                Err(Refused::Full) => Err(AppendError::Throttled { shard }),
                Err(Refused::Unanswered(reason)) => Err(AppendError::Unanswered { shard, reason }),
            }
        });
        let one = |refused: Option<AppendError>| match refused {
            Some(error) => Err(error),
            None => answers.next().expect("the appender answers for every entry"),
        };
        Ok(results.into_iter().map(one).collect())
    }
}

fn check(entry: &PutEntry, settings: &StreamSettings) -> Result<(), AppendError> {
    let (bytes, bytes_max) = (entry.size_bytes(), settings.record_bytes_max);
    if bytes > bytes_max { Err(AppendError::TooLarge { bytes, bytes_max }) } else { Ok(()) }
}

fn check_commit(
    consumer: &ConsumerName,
    settings: &StreamSettings,
    checkpoint: &Checkpoint,
    outputs: &[PutEntry],
) -> Result<(), StreamError> {
    let invalid = |reason| Err(StreamError::InvalidCommit { consumer: consumer.clone(), reason });
    let state_bytes = checkpoint.state.len();
    if state_bytes > STATE_BYTES_MAX {
        return invalid(format!("{state_bytes} bytes of state are over {STATE_BYTES_MAX}"));
    }
    if let Err(error) = outputs.iter().try_for_each(|entry| check(entry, settings)) {
        return invalid(error.to_string());
    }
    let output_bytes: usize = outputs.iter().map(PutEntry::size_bytes).sum();
    if output_bytes > COMMIT_OUTPUT_BYTES_MAX {
        return invalid(format!("{output_bytes} bytes of outputs are over {COMMIT_OUTPUT_BYTES_MAX}"));
    }
    Ok(())
}

#[async_trait]
impl StreamStore for KafkaStore {
    async fn create(&self, name: &StreamName, options: StreamOptions) -> Result<Arc<StreamDescription>, StreamError> {
        let (inner, name) = (Arc::clone(&self.inner), name.clone());
        detached(async move {
            let entry = inner.admin.create(&name, &options).await?;
            Ok(inner.add(&name, &entry).description())
        })
        .await
    }

    async fn delete(&self, name: &StreamName) -> Result<(), StreamError> {
        let (inner, stream) = (Arc::clone(&self.inner), self.inner.stream(name).await?);
        detached(async move {
            inner.admin.delete(&stream).await?;
            inner.streams.write().expect("no holder of the lock panics").remove(&stream.name);
            let mut committers = inner.committers.lock().expect("no holder of the lock panics");
            committers.retain(|holder, _| holder.home != stream.name);
            Ok(())
        })
        .await
    }

    /// Topics of others are not among them until somebody names one: a cluster may have thousands that are none of ours.
    async fn list(&self) -> Result<Vec<StreamName>, StreamError> {
        let streams = self.inner.streams.read().expect("no holder of the lock panics");
        let mut names: Vec<StreamName> = streams.keys().cloned().collect();
        names.sort_unstable();
        Ok(names)
    }

    async fn describe(&self, name: &StreamName) -> Result<Arc<StreamDescription>, StreamError> {
        Ok(self.inner.stream(name).await?.description())
    }

    async fn reshard(&self, name: &StreamName, change: Reshard) -> Result<Arc<StreamDescription>, StreamError> {
        let (inner, stream) = (Arc::clone(&self.inner), self.inner.stream(name).await?);
        detached(async move { inner.admin.reshard(&stream, change).await }).await
    }

    async fn alter(
        &self,
        name: &StreamName,
        from: &StreamSettings,
        to: StreamSettings,
    ) -> Result<Arc<StreamDescription>, StreamError> {
        let (inner, stream, from) = (Arc::clone(&self.inner), self.inner.stream(name).await?, from.clone());
        if let Some(key) = to.encryption_key {
            // Whoever runs the brokers encrypts their disks, or does not: we have no say in it.
            return Err(StreamError::KeyMissing { stream: name.clone(), key });
        }
        detached(async move { inner.admin.alter(&stream, &from, to).await }).await
    }

    async fn append(
        &self,
        name: &StreamName,
        entries: Vec<PutEntry>,
    ) -> Result<Vec<Result<Appended, AppendError>>, StreamError> {
        let (inner, stream) = (Arc::clone(&self.inner), self.inner.stream(name).await?);
        detached(async move { inner.append(&stream, entries).await }).await
    }

    async fn locate(
        &self,
        name: &StreamName,
        shard: ShardId,
        position: StartingPosition,
    ) -> Result<SequenceNumber, StreamError> {
        let stream = self.inner.stream(name).await?;
        self.inner.reader(&stream).locate(shard, position).await
    }

    async fn read(
        &self,
        name: &StreamName,
        shard: ShardId,
        from: SequenceNumber,
        limit: ReadLimit,
    ) -> Result<ReadBatch, StreamError> {
        let stream = self.inner.stream(name).await?;
        self.inner.reader(&stream).read(shard, from, limit).await
    }

    async fn trim(&self, name: &StreamName) -> Result<(), StreamError> {
        let stream = self.inner.known(name).ok_or_else(|| StreamError::NotFound(name.clone()))?;
        let inner = Arc::clone(&self.inner);
        detached(async move { inner.admin.trim(&stream).await }).await
    }

    async fn commit(
        &self,
        home: &StreamName,
        consumer: &ConsumerName,
        checkpoint: Checkpoint,
        outputs: Vec<PutEntry>,
    ) -> Result<Vec<Appended>, StreamError> {
        let stream = self.inner.stream(home).await?;
        check_commit(consumer, &stream.description().settings, &checkpoint, &outputs)?;
        let holder = Holder { home: home.clone(), incarnation: stream.incarnation, consumer: consumer.clone() };
        let committer = self.inner.committer(holder);
        detached(async move { committer.lock().await.commit(&stream, Commit { checkpoint, outputs }).await }).await
    }

    async fn checkpoint(&self, home: &StreamName, consumer: &ConsumerName) -> Result<Option<Checkpoint>, StreamError> {
        let stream = self.inner.stream(home).await?;
        let holder = Holder { home: home.clone(), incarnation: stream.incarnation, consumer: consumer.clone() };
        let committer = self.inner.committer(holder);
        let found = detached(async move { committer.lock().await.checkpoint().await }).await;
        found.map_err(|fault| fault.of(home))
    }
}
