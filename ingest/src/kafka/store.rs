//! The store: a Kafka cluster behind [`StreamStore`].

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, Weak};
use std::time::Duration;

use async_trait::async_trait;
use model::clock::Timestamp;
use model::name::{ConsumerName, StreamName};
use model::stream::checkpoint::Checkpoint;
use model::stream::put_run::PutRun;
use model::stream::record::{Appended, PutEntry};
use model::stream::sequence_number::SequenceNumber;
use model::stream::settings::StreamSettings;
use model::stream::shard::{Reshard, ShardId};
use model::stream::store::{
    AppendError, AppendedBatch, ReadBatch, ReadLimit, StartingPosition, StreamDescription, StreamError, StreamOptions,
    StreamStore, StreamStoreExt,
};
use tokio::task::JoinHandle;
use tokio::time::Instant;
use tracing::{debug, info, warn};

use crate::kafka::cluster::clients::{Clients, detached};
use crate::kafka::cluster::fault::Fault;
use crate::kafka::cluster::tasks::{every, keep};
use crate::kafka::cluster::views::Views;
use crate::kafka::options::KafkaOptions;
use crate::kafka::read::broker_time::BrokerTime;
use crate::kafka::read::fetcher::Fetcher;
use crate::kafka::read::range_reader::RangeReader;
use crate::kafka::read::reader::Reader;
use crate::kafka::streams::admin::Admin;
use crate::kafka::streams::closing;
use crate::kafka::streams::directory::Directory;
use crate::kafka::streams::registry::{Registry, RegistryWriter};
use crate::kafka::streams::stream::Stream;
use crate::kafka::write::appender::Appender;
use crate::kafka::write::checkpoints::{Checkpoints, Holder};
use crate::kafka::write::committer::{Commit, Committer};
use crate::kafka::write::puts;

#[cfg(any(test, feature = "testing"))]
pub mod halfway;

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
    streams: Directory,
    views: Arc<Views>,
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
        let views = Arc::new(Views::new(Instant::now(), &clients.options));
        let admin = Admin {
            clients: Arc::clone(&clients),
            fetcher: Arc::clone(&fetcher),
            time: Arc::clone(&time),
            appender: Arc::clone(&appender),
            checkpoints: Arc::clone(&checkpoints),
            views: Arc::clone(&views),
            writer: tokio::sync::Mutex::new(writer),
        };
        let (streams, committers, looked_at) = (Directory::default(), Mutex::default(), Mutex::default());
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
            views,
            committers,
            looked_at,
            out_of_reach: AtomicBool::new(false),
            tasks,
        });
        let tick = inner.time.tick().await.unwrap_or_else(|fault| {
            debug!(error = &fault as &dyn std::error::Error, "no tick yet");
            None
        });
        inner.admin.sweep().await?;
        inner.look(tick).await.map_err(of_all)?;
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
        let store = Arc::downgrade(self);
        let rounds = keep("rounds", move || {
            let (time, fetcher, ranges) = (Arc::clone(&time), Arc::clone(&fetcher), Arc::clone(&ranges));
            let store = Weak::clone(&store);
            let look = async move |time| match store.upgrade() {
                Some(store) => store.look(time).await,
                None => Ok(()),
            };
            async move { time.run(&fetcher, &ranges, look).await }
        });
        // Changes of other processes are looked for three times before a look is too old.
        let interval = self.clients.options.view_age_max / 3;
        let store = Arc::downgrade(self);
        let care =
            keep("care", move || every(interval, Weak::clone(&store), async |store: Arc<Inner>| store.care().await));
        let store = Arc::downgrade(self);
        let closing = keep("closing", move || {
            every(interval, Weak::clone(&store), async |store: Arc<Inner>| {
                closing::close_all(&store.admin, store.streams.all()).await;
            })
        });
        self.tasks.lock().expect("no holder of the lock panics").extend([rounds, care, closing]);
    }

    fn stop_tasks(&self) {
        self.tasks.lock().expect("no holder of the lock panics").drain(..).for_each(|task| task.abort());
    }

    /// Brings what is in service up to date. `time` is what the brokers' clocks showed before, if it is known.
    async fn look(&self, time: Option<Timestamp>) -> Result<(), Fault> {
        let _turn = self.views.turn().await;
        let began = Instant::now();
        self.streams.take_over(&self.registry.entries().await?);
        self.views.renewed(began, time);
        Ok(())
    }

    async fn care(&self) {
        self.clients.drain_news();
        self.fetcher.leave_idle().await;
        match self.look(None).await {
            Ok(()) => {
                if self.out_of_reach.swap(false, Ordering::Relaxed) {
                    info!("the Kafka brokers answer again");
                }
            }
            Err(fault) => {
                if !self.out_of_reach.swap(true, Ordering::Relaxed) {
                    warn!(error = &fault as &dyn std::error::Error, "the Kafka brokers do not answer");
                }
            }
        }
    }

    /// The stream of that name; one that is not known may be a topic that somebody else has made.
    async fn stream(self: &Arc<Self>, name: &StreamName) -> Result<Arc<Stream>, StreamError> {
        if let Some(stream) = self.streams.get(name) {
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
        // The turn ends here, even if nobody asks for a while what came of it: a reader may rest.
        let adopted = detached(async move {
            let adopted = inner.admin.adopt(&wanted).await?;
            Ok(adopted.map(|(entry, _turn)| inner.streams.add(&wanted, &entry)))
        });
        adopted.await?.ok_or_else(missing)
    }

    fn reader<'a>(&'a self, stream: &'a Stream) -> Reader<'a> {
        let (clients, ranges, fetcher) = (&*self.clients, &self.ranges, &self.fetcher);
        Reader { clients, ranges, fetcher, time: &self.time, views: &self.views, stream }
    }

    fn committer(&self, holder: Holder) -> Arc<tokio::sync::Mutex<Committer>> {
        let mut committers = self.committers.lock().expect("no holder of the lock panics");
        let new = || {
            let (clients, checkpoints) = (Arc::clone(&self.clients), Arc::clone(&self.checkpoints));
            let views = Arc::clone(&self.views);
            Arc::new(tokio::sync::Mutex::new(Committer::new(clients, checkpoints, views, holder.clone())))
        };
        Arc::clone(committers.entry(holder.clone()).or_insert_with(new))
    }
}

#[async_trait]
impl StreamStore for KafkaStore {
    async fn create(&self, name: &StreamName, options: StreamOptions) -> Result<Arc<StreamDescription>, StreamError> {
        let (inner, name) = (Arc::clone(&self.inner), name.clone());
        detached(async move {
            let (entry, _turn) = inner.admin.create(&name, &options).await?;
            Ok(inner.streams.add(&name, &entry).description())
        })
        .await
    }

    async fn delete(&self, name: &StreamName) -> Result<(), StreamError> {
        let (inner, stream) = (Arc::clone(&self.inner), self.inner.stream(name).await?);
        detached(async move {
            let _turn = inner.admin.delete(&stream).await?;
            inner.streams.remove(&stream.name);
            let mut committers = inner.committers.lock().expect("no holder of the lock panics");
            committers.retain(|holder, _| holder.home != stream.name);
            Ok(())
        })
        .await
    }

    /// Topics of others are not among them until somebody names one: a cluster may have thousands that are none of ours.
    async fn list(&self) -> Result<Vec<StreamName>, StreamError> {
        Ok(self.inner.streams.names())
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

    async fn append(&self, name: &StreamName, entries: Vec<PutEntry>) -> Result<AppendedBatch, StreamError> {
        let (inner, stream) = (Arc::clone(&self.inner), self.inner.stream(name).await?);
        detached(async move { puts::append(&inner.appender, &inner.views, &stream, entries).await }).await
    }

    async fn append_run(&self, name: &StreamName, run: PutRun) -> Result<Vec<(usize, AppendError)>, StreamError> {
        self.append_run_as_entries(name, run).await
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
        let stream = self.inner.streams.get(name).ok_or_else(|| StreamError::NotFound(name.clone()))?;
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
        stream.description().settings.check_commit(consumer, &checkpoint, &outputs)?;
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
