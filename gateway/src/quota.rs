//! The throughput of a provisioned shard, held to as Kinesis holds to it: for rehearsing what clients do when they are
//! told to slow down. A wrapper around the store that the front door alone stands before, so that queries and deliveries
//! are not slowed. Off unless asked for.
//!
//! | per shard and second | most |
//! |---|---|
//! | records put | [`PUT_RECORDS`] |
//! | bytes put, keys included | [`PUT_BYTES`] |
//! | GetRecords calls | [`READS`] |
//! | bytes read by them | [`READ_BYTES`]; a call that goes over it delays the next ones |
//! | GetShardIterator calls | [`LOCATES`] |
//!
//! Reads that wait for records are those of SubscribeToShard, which has a throughput of its own, and pass.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use model::clock::{Clock, Timestamp};
use model::name::StreamName;
use model::stream::layer::StreamLayer;
use model::stream::put_run::PutRun;
use model::stream::record::PutEntry;
use model::stream::sequence_number::SequenceNumber;
use model::stream::shard::ShardId;
use model::stream::store::{
    AppendError, AppendedBatch, ReadBatch, ReadLimit, StartingPosition, StreamError, StreamStore,
};
use model::token_bucket::{Rate, TokenBucket};

/// Records a shard takes in a second.
pub const PUT_RECORDS: u32 = 1000;
/// Bytes a shard takes in a second.
pub const PUT_BYTES: u32 = 1 << 20;
/// Reads of a shard in a second.
pub const READS: u32 = 5;
/// Bytes read from a shard in a second.
pub const READ_BYTES: u32 = 2 << 20;
/// Places looked up in a shard in a second.
pub const LOCATES: u32 = 5;

/// Shards whose use is remembered. Above it, those that are idle are forgotten.
const SHARDS_MAX: usize = 100_000;
/// A shard that was not used for this long owes nothing: a whole GetRecords is paid off in 5 s.
const IDLE: Duration = Duration::from_secs(10);

/// A store whose shards have the throughput of Kinesis.
pub struct ShardQuotas {
    store: Arc<dyn StreamStore>,
    clock: Arc<dyn Clock>,
    shards: Mutex<HashMap<(StreamName, ShardId), ShardUse>>,
}

impl ShardQuotas {
    /// Holds callers of `store` to the quotas, in the time of `clock`.
    pub fn new(store: Arc<dyn StreamStore>, clock: Arc<dyn Clock>) -> Self {
        ShardQuotas { store, clock, shards: Mutex::default() }
    }

    /// Looks at the use of one shard. `look` gets the time in nanoseconds, too.
    fn with<T>(&self, stream: &StreamName, shard: ShardId, look: impl FnOnce(&mut ShardUse, u64) -> T) -> T {
        let now = self.clock.now();
        let mut shards = self.shards.lock().expect("no holder of the lock panics");
        if shards.len() >= SHARDS_MAX {
            shards.retain(|_, used| now.since(used.at) < IDLE);
        }
        let used = shards.entry((stream.clone(), shard)).or_default();
        used.at = now;
        look(used, u64::try_from(now.as_millis()).unwrap_or(0).saturating_mul(1_000_000))
    }
}

/// What is left of a shard's throughput.
#[derive(Default)]
struct ShardUse {
    at: Timestamp,
    put_records: TokenBucket,
    put_bytes: TokenBucket,
    reads: TokenBucket,
    read_bytes: TokenBucket,
    locates: TokenBucket,
}

impl ShardUse {
    fn put(&mut self, now: u64, bytes: usize) -> bool {
        let fits = self.put_records.has(Rate::each_second(PUT_RECORDS), now, 1)
            && self.put_bytes.has(Rate::each_second(PUT_BYTES), now, bytes as u64);
        if fits {
            self.put_records.spend(Rate::each_second(PUT_RECORDS), now, 1);
            self.put_bytes.spend(Rate::each_second(PUT_BYTES), now, bytes as u64);
        }
        fits
    }

    fn read(&mut self, now: u64) -> bool {
        self.read_bytes.has(Rate::each_second(READ_BYTES), now, 1) && self.reads.take(Rate::each_second(READS), now)
    }

    fn locate(&mut self, now: u64) -> bool {
        self.locates.take(Rate::each_second(LOCATES), now)
    }
}

impl StreamLayer for ShardQuotas {
    fn below(&self) -> &dyn StreamStore {
        &*self.store
    }

    /// Refuses the entries that are over their shard's throughput, and appends the others.
    async fn append(&self, stream: &StreamName, entries: Vec<PutEntry>) -> Result<AppendedBatch, StreamError> {
        let description = self.store.describe(stream).await?;
        let mut refused = Vec::with_capacity(entries.len());
        let mut admitted = Vec::with_capacity(entries.len());
        for entry in entries {
            let shard = description.shards.route(entry.hash_key());
            if self.with(stream, shard, |used, now| used.put(now, entry.size_bytes())) {
                refused.push(None);
                admitted.push(entry);
            } else {
                refused.push(Some(AppendError::Throttled { shard }));
            }
        }
        let batch = match admitted.is_empty() {
            true => AppendedBatch { stream: description, results: Vec::new() },
            false => self.store.append(stream, admitted).await?,
        };
        let mut appended = batch.results.into_iter();
        let result = |refused: Option<AppendError>| match refused {
            Some(refused) => Err(refused),
            None => appended.next().expect("the store gives a result per entry"),
        };
        Ok(AppendedBatch { stream: batch.stream, results: refused.into_iter().map(result).collect() })
    }

    /// The same of a run: what is left of it goes on as a run.
    async fn append_run(&self, stream: &StreamName, run: PutRun) -> Result<Vec<(usize, AppendError)>, StreamError> {
        let description = self.store.describe(stream).await?;
        let (mut refused, mut admitted) = (Vec::new(), Vec::with_capacity(run.entries().len()));
        for (place, (entry, bytes)) in run.entries().iter().zip(run.sizes()).enumerate() {
            let shard = description.shards.route(run.keys().get(entry.key).1);
            if self.with(stream, shard, |used, now| used.put(now, bytes)) {
                admitted.push(place);
            } else {
                refused.push((place, AppendError::Throttled { shard }));
            }
        }
        if refused.is_empty() {
            return self.store.append_run(stream, run).await;
        }
        if !admitted.is_empty() {
            let refused_below = self.store.append_run(stream, run.at(&admitted)).await?;
            refused.extend(refused_below.into_iter().map(|(place, error)| (admitted[place], error)));
            refused.sort_unstable_by_key(|(place, _)| *place);
        }
        Ok(refused)
    }

    async fn locate(
        &self,
        stream: &StreamName,
        shard: ShardId,
        position: StartingPosition,
    ) -> Result<SequenceNumber, StreamError> {
        if !self.with(stream, shard, ShardUse::locate) {
            return Err(StreamError::Throttled(stream.clone()));
        }
        self.store.locate(stream, shard, position).await
    }

    async fn read(
        &self,
        stream: &StreamName,
        shard: ShardId,
        from: SequenceNumber,
        limit: ReadLimit,
    ) -> Result<ReadBatch, StreamError> {
        if limit.wait {
            return self.store.read(stream, shard, from, limit).await;
        }
        if !self.with(stream, shard, ShardUse::read) {
            return Err(StreamError::Throttled(stream.clone()));
        }
        let batch = self.store.read(stream, shard, from, limit).await?;
        let bytes: usize = batch.records.iter().map(|record| record.size_bytes()).sum();
        self.with(stream, shard, |used, now| used.read_bytes.spend(Rate::each_second(READ_BYTES), now, bytes as u64));
        Ok(batch)
    }
}
