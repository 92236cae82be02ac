//! Wrappers around the seams that fail, or stop for good, before or after an operation.

use std::io;
use std::ops::Range;
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use bytes::Bytes;
use model::archive::store::{Archive, ArchiveError, ObjectMeta, ObjectName, PutOutcome};
use model::name::{ConsumerName, StreamName, TableName};
use model::stream::checkpoint::Checkpoint;
use model::stream::layer::StreamLayer;
use model::stream::record::{Appended, PutEntry};
use model::stream::sequence_number::SequenceNumber;
use model::stream::shard::ShardId;
use model::stream::store::{ReadBatch, ReadLimit, StartingPosition, StreamDescription, StreamError, StreamStore};
use model::table::store::{ItemKey, Page, PutCondition, Query, TableError, TableSchema, TableStore, VersionedItem};
use rand::rngs::SmallRng;
use rand::{Rng, SeedableRng};
use tokio::sync::{Notify, watch};

/// Decides what happens to the next operation.
pub(crate) struct Faults {
    state: Mutex<State>,
    crashed: Notify,
    blocked: watch::Sender<Option<Block>>,
}

/// What happens to puts of objects whose names hold this text.
pub(crate) enum Block {
    Hangs(&'static str),
    Fails(&'static str),
}

struct State {
    random: SmallRng,
    /// Operations until the crash.
    crash_in: Option<u32>,
    /// Of 100 operations this many fail.
    fail_percent: u32,
}

#[derive(Clone, Copy, PartialEq)]
enum Fate {
    Goes,
    FailsBefore,
    FailsAfter,
    CrashesBefore,
    CrashesAfter,
}

impl Faults {
    pub(crate) fn none(seed: u64) -> Arc<Self> {
        let state = State { random: SmallRng::seed_from_u64(seed), crash_in: None, fail_percent: 0 };
        Arc::new(Faults { state: Mutex::new(state), crashed: Notify::new(), blocked: watch::Sender::new(None) })
    }

    /// Blocks some puts, or none any more.
    pub(crate) fn block(&self, block: Option<Block>) {
        self.blocked.send_replace(block);
    }

    /// Whether a put of `name` goes on; waits as long as it hangs.
    async fn pass(&self, name: &ObjectName) -> bool {
        let is = |text: &str| name.as_str().contains(text);
        let mut blocked = self.blocked.subscribe();
        let goes_on = |block: &Option<Block>| !matches!(block, Some(Block::Hangs(text)) if is(text));
        let block = blocked.wait_for(goes_on).await.expect("the faults outlive their archive");
        !matches!(&*block, Some(Block::Fails(text)) if is(text))
    }

    pub(crate) fn set(&self, crash_in: Option<u32>, fail_percent: u32) {
        let mut state = self.state.lock().unwrap();
        state.crash_in = crash_in;
        state.fail_percent = fail_percent;
    }

    /// Returns when a crash was met.
    pub(crate) async fn crashed(&self) {
        self.crashed.notified().await;
    }

    fn fate(&self) -> Fate {
        let mut state = self.state.lock().unwrap();
        if let Some(left) = state.crash_in {
            if left == 0 {
                self.crashed.notify_one();
                return if state.random.random() { Fate::CrashesBefore } else { Fate::CrashesAfter };
            }
            state.crash_in = Some(left - 1);
        }
        let percent = state.fail_percent;
        match state.random.random_ratio(percent, 100) {
            false => Fate::Goes,
            true if state.random.random() => Fate::FailsBefore,
            true => Fate::FailsAfter,
        }
    }

    async fn run<T, E>(&self, work: impl Future<Output = Result<T, E>>, error: impl Fn() -> E) -> Result<T, E> {
        match self.fate() {
            Fate::Goes => work.await,
            Fate::FailsBefore => Err(error()),
            Fate::FailsAfter => work.await.and_then(|_| Err(error())),
            Fate::CrashesBefore => std::future::pending().await,
            Fate::CrashesAfter => {
                let _ = work.await;
                std::future::pending().await
            }
        }
    }
}

pub(crate) struct FaultyStore(pub(crate) Arc<dyn StreamStore>, pub(crate) Arc<Faults>);

impl FaultyStore {
    async fn run<T>(
        &self,
        stream: &StreamName,
        work: impl Future<Output = Result<T, StreamError>>,
    ) -> Result<T, StreamError> {
        let error = || StreamError::Io {
            stream: stream.clone(),
            doing: "testing".to_owned(),
            source: io::Error::other("a fault"),
        };
        self.1.run(work, error).await
    }
}

impl StreamLayer for FaultyStore {
    fn below(&self) -> &dyn StreamStore {
        &*self.0
    }

    async fn describe(&self, stream: &StreamName) -> Result<Arc<StreamDescription>, StreamError> {
        self.run(stream, self.0.describe(stream)).await
    }

    async fn locate(
        &self,
        stream: &StreamName,
        shard: ShardId,
        position: StartingPosition,
    ) -> Result<SequenceNumber, StreamError> {
        self.run(stream, self.0.locate(stream, shard, position)).await
    }

    async fn read(
        &self,
        stream: &StreamName,
        shard: ShardId,
        from: SequenceNumber,
        limit: ReadLimit,
    ) -> Result<ReadBatch, StreamError> {
        self.run(stream, self.0.read(stream, shard, from, limit)).await
    }

    async fn commit(
        &self,
        home: &StreamName,
        consumer: &ConsumerName,
        checkpoint: Checkpoint,
        outputs: Vec<PutEntry>,
    ) -> Result<Vec<Appended>, StreamError> {
        self.run(home, self.0.commit(home, consumer, checkpoint, outputs)).await
    }

    async fn checkpoint(&self, home: &StreamName, consumer: &ConsumerName) -> Result<Option<Checkpoint>, StreamError> {
        self.run(home, self.0.checkpoint(home, consumer)).await
    }
}

pub(crate) struct FaultyArchive(pub(crate) Arc<dyn Archive>, pub(crate) Arc<Faults>);

impl FaultyArchive {
    async fn run<T>(&self, work: impl Future<Output = Result<T, ArchiveError>>) -> Result<T, ArchiveError> {
        let error = || ArchiveError::Unavailable { doing: "testing".to_owned(), source: "a fault".into() };
        self.1.run(work, error).await
    }
}

#[deny(clippy::missing_trait_methods)]
#[async_trait]
impl Archive for FaultyArchive {
    async fn put_if_absent(&self, name: &ObjectName, body: Bytes) -> Result<PutOutcome, ArchiveError> {
        if !self.1.pass(name).await {
            return Err(ArchiveError::Unavailable { doing: "testing".to_owned(), source: "a block".into() });
        }
        self.run(self.0.put_if_absent(name, body)).await
    }

    async fn list(&self, prefix: &str) -> Result<Vec<ObjectMeta>, ArchiveError> {
        self.0.list(prefix).await
    }

    async fn folders(&self) -> Result<Vec<String>, ArchiveError> {
        self.0.folders().await
    }

    async fn get(&self, name: &ObjectName, range: Option<Range<u64>>) -> Result<Bytes, ArchiveError> {
        self.run(self.0.get(name, range)).await
    }

    async fn delete(&self, name: &ObjectName) -> Result<(), ArchiveError> {
        self.0.delete(name).await
    }
}

pub(crate) struct FaultyTables(pub(crate) Arc<dyn TableStore>, pub(crate) Arc<Faults>);

impl FaultyTables {
    async fn run<T>(
        &self,
        table: &TableName,
        work: impl Future<Output = Result<T, TableError>>,
    ) -> Result<T, TableError> {
        let error = || TableError::Unavailable { table: table.clone(), reason: "a fault".to_owned() };
        self.1.run(work, error).await
    }
}

#[deny(clippy::missing_trait_methods)]
#[async_trait]
impl TableStore for FaultyTables {
    async fn create(&self, schema: TableSchema) -> Result<(), TableError> {
        self.0.create(schema).await
    }

    async fn list(&self) -> Result<Vec<TableSchema>, TableError> {
        self.0.list().await
    }

    async fn describe(&self, table: &TableName) -> Result<TableSchema, TableError> {
        self.run(table, self.0.describe(table)).await
    }

    async fn drop_table(&self, table: &TableName) -> Result<(), TableError> {
        self.0.drop_table(table).await
    }

    fn check_item(&self, schema: &TableSchema, item: &VersionedItem) -> Result<(), TableError> {
        self.0.check_item(schema, item)
    }

    async fn put(&self, table: &TableName, items: Vec<VersionedItem>) -> Result<(), TableError> {
        self.run(table, self.0.put(table, items)).await
    }

    async fn put_if(
        &self,
        table: &TableName,
        item: VersionedItem,
        condition: PutCondition,
    ) -> Result<bool, TableError> {
        self.0.put_if(table, item, condition).await
    }

    async fn get(&self, table: &TableName, key: &ItemKey) -> Result<Option<VersionedItem>, TableError> {
        self.0.get(table, key).await
    }

    async fn query(&self, table: &TableName, query: Query) -> Result<Page, TableError> {
        self.0.query(table, query).await
    }

    async fn scan(&self, table: &TableName, after: Option<ItemKey>, limit: usize) -> Result<Page, TableError> {
        self.0.scan(table, after, limit).await
    }

    async fn delete(&self, table: &TableName, keys: Vec<ItemKey>) -> Result<(), TableError> {
        self.0.delete(table, keys).await
    }
}
