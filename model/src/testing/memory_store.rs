//! A stream store in memory: the simplest thing that keeps the promises of [`StreamStore`], and the model that
//! others are compared with. Nothing survives the process.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::{Arc, Mutex, MutexGuard};

use async_trait::async_trait;
use tokio::sync::watch;

use crate::clock::{Clock, Timestamp};
use crate::name::{ConsumerName, StreamName};
use crate::stream::checkpoint::Checkpoint;
use crate::stream::lives::{EarlierLife, Lives, first_number_at};
use crate::stream::put_run::PutRun;
use crate::stream::record::{Appended, PutEntry, Record};
use crate::stream::sequence_number::SequenceNumber;
use crate::stream::settings::StreamSettings;
use crate::stream::shard::{Reshard, ShardId, ShardMap};
use crate::stream::store::{
    AppendError, AppendedBatch, ReadBatch, ReadLimit, StartingPosition, StreamDescription, StreamError, StreamOptions,
    StreamStore, StreamStoreExt,
};

/// Streams held in memory, without bound but for retention.
#[derive(Debug)]
pub struct MemoryStore {
    clock: Arc<dyn Clock>,
    /// Keys that it takes by name. Nothing is ever at rest here, so they have nothing to encrypt.
    keys: BTreeSet<String>,
    /// Whether the first stream of a name begins at the time of its creation, as in other stores, or at zero.
    begins_by_time: bool,
    streams: Mutex<BTreeMap<StreamName, Stream>>,
    /// Streams that were deleted, by their names.
    ended: Mutex<BTreeMap<StreamName, Vec<EarlierLife>>>,
    /// Bumped by every change, so that waiting reads look again.
    changed: watch::Sender<()>,
}

#[derive(Debug)]
struct Stream {
    description: Arc<StreamDescription>,
    shards: BTreeMap<ShardId, Log>,
    checkpoints: HashMap<ConsumerName, Checkpoint>,
    /// No later record is stamped below this.
    floor: Timestamp,
    /// Records that arrived before it are past retention.
    horizon: Timestamp,
}

#[derive(Debug, Default)]
struct Log {
    records: Vec<Record>,
    oldest: SequenceNumber,
    next: SequenceNumber,
}

impl MemoryStore {
    /// An empty store on `clock`.
    pub fn new(clock: Arc<dyn Clock>) -> Self {
        let (streams, ended, changed) = (Mutex::default(), Mutex::default(), watch::Sender::new(()));
        MemoryStore { clock, keys: BTreeSet::new(), begins_by_time: false, streams, ended, changed }
    }

    /// The same, whose streams may be told to be encrypted with these keys.
    pub fn with_keys(self, keys: &[&str]) -> Self {
        MemoryStore { keys: keys.iter().map(|&key| key.to_owned()).collect(), ..self }
    }

    /// The same, whose numbers are those of stores that outlive the process.
    pub fn with_numbers_by_time(self) -> Self {
        MemoryStore { begins_by_time: true, ..self }
    }

    /// Does to numbers what opening the store again would do.
    pub fn resume(&self) {
        let at = first_number_at(self.clock.now());
        for stream in self.lock().values_mut() {
            stream.resume(at);
        }
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<StreamName, Stream>> {
        self.streams.lock().expect("no holder of the lock panics")
    }

    fn ended(&self) -> MutexGuard<'_, BTreeMap<StreamName, Vec<EarlierLife>>> {
        self.ended.lock().expect("no holder of the lock panics")
    }

    fn with<T>(
        &self,
        name: &StreamName,
        f: impl FnOnce(&mut Stream) -> Result<T, StreamError>,
    ) -> Result<T, StreamError> {
        f(self.lock().get_mut(name).ok_or_else(|| StreamError::NotFound(name.clone()))?)
    }

    fn read_now(
        &self,
        name: &StreamName,
        shard: ShardId,
        from: SequenceNumber,
        limit: ReadLimit,
    ) -> Result<ReadBatch, StreamError> {
        let now = self.clock.now();
        self.with(name, |stream| {
            let end = stream.description.shards.get(shard).and_then(|shard| shard.end);
            let known = stream.description.shards.get(shard).cloned();
            let first_from = |number| known.as_ref().map_or(number, |shard| shard.first_from(number));
            let (log, from) = (stream.log(name, shard)?, first_from(from));
            if from < log.oldest {
                return Err(StreamError::Trimmed { stream: name.clone(), shard, oldest: log.oldest });
            }
            let mut records = Vec::new();
            let mut bytes = 0;
            for record in &log.records[log.index_of(from)..] {
                if records.len() >= limit.records_max || bytes >= limit.bytes_max {
                    break;
                }
                bytes += record.size_bytes();
                records.push(record.clone());
            }
            let tip = log.next;
            let next = records.last().map_or(from, |record| first_from(record.sequence_number.next()));
            let complete_until = if next >= tip {
                stream.floor = stream.floor.max(now);
                stream.floor
            } else {
                records.last().map_or(Timestamp::MIN, |record| record.arrived_at)
            };
            Ok(ReadBatch {
                records,
                next,
                tip,
                end_of_shard: end.is_some_and(|end| end <= next),
                complete_until,
                lost: 0,
            })
        })
    }
}

impl Stream {
    fn log(&mut self, name: &StreamName, shard: ShardId) -> Result<&mut Log, StreamError> {
        self.shards.get_mut(&shard).ok_or_else(|| StreamError::ShardNotFound { stream: name.clone(), shard })
    }

    fn stamp(&mut self, now: Timestamp) -> Timestamp {
        self.floor = self.floor.max(now);
        self.floor
    }

    fn push(&mut self, entry: PutEntry, arrived_at: Timestamp) -> Appended {
        let shard = self.description.shards.route(entry.hash_key());
        let log = self.shards.get_mut(&shard).expect("every shard of the map has a log");
        let sequence_number = log.next;
        log.next = sequence_number.next();
        log.records.push(Record { sequence_number, arrived_at, partition_key: entry.partition_key, data: entry.data });
        Appended { shard, sequence_number, arrived_at }
    }

    /// Drops records older than retention asks for.
    fn drop_expired(&mut self, now: Timestamp) {
        self.horizon = self.horizon.max(now - self.description.settings.retention);
        let horizon = self.horizon;
        for log in self.shards.values_mut() {
            let expired = log.records.partition_point(|record| record.arrived_at < horizon);
            log.records.drain(..expired);
            if expired > 0 {
                log.oldest = log.records.first().map_or(log.next, |record| record.sequence_number);
            }
        }
    }

    fn resume(&mut self, at: SequenceNumber) {
        let logs = &self.shards;
        let shards = self.description.shards.resumed(at, |shard| (logs[&shard].oldest, logs[&shard].next));
        for shard in shards.open() {
            let log = self.shards.get_mut(&shard.id).expect("every shard of the map has a log");
            log.next = shard.first_from(log.next);
            log.oldest = log.records.first().map_or(log.next, |record| record.sequence_number);
        }
        let lives = self.description.lives.clone().resumed_at(at);
        self.description = Arc::new(StreamDescription { shards, lives, ..(*self.description).clone() });
    }

    fn set_shards(&mut self, shards: ShardMap) {
        for shard in shards.iter() {
            let log = Log { records: Vec::new(), oldest: shard.first, next: shard.first };
            self.shards.entry(shard.id).or_insert(log);
        }
        self.shards.retain(|id, _| shards.get(*id).is_some());
        self.description = Arc::new(StreamDescription { shards, ..(*self.description).clone() });
    }
}

impl Log {
    fn index_of(&self, number: SequenceNumber) -> usize {
        self.records.partition_point(|record| record.sequence_number < number)
    }
}

#[async_trait]
impl StreamStore for MemoryStore {
    async fn create(&self, name: &StreamName, options: StreamOptions) -> Result<Arc<StreamDescription>, StreamError> {
        let mut streams = self.lock();
        if streams.contains_key(name) {
            return Err(StreamError::Exists(name.clone()));
        }
        let created_at = self.clock.now();
        let earlier = self.ended().get(name).cloned().unwrap_or_default();
        let first = match earlier.last() {
            // The store ends with the process, so nobody can know a number of an earlier life.
            None if !self.begins_by_time => SequenceNumber::FIRST,
            last => first_number_at(created_at).max(last.map_or(SequenceNumber::FIRST, |last| last.end()).next()),
        };
        let shards = ShardMap::uniform_from(options.shards, created_at, first);
        let description = Arc::new(StreamDescription {
            name: name.clone(),
            created_at,
            settings: options.settings(),
            shards: shards.clone(),
            lives: Lives::beginning_at(first, earlier),
        });
        let mut stream = Stream {
            description,
            shards: BTreeMap::new(),
            checkpoints: HashMap::new(),
            floor: Timestamp::MIN,
            horizon: Timestamp::MIN,
        };
        stream.set_shards(shards);
        let description = Arc::clone(&stream.description);
        streams.insert(name.clone(), stream);
        Ok(description)
    }

    async fn delete(&self, name: &StreamName) -> Result<(), StreamError> {
        let removed = self.lock().remove(name);
        self.changed.send_replace(());
        let removed = removed.ok_or_else(|| StreamError::NotFound(name.clone()))?;
        let StreamDescription { lives, shards, .. } = (*removed.description).clone();
        let ended = EarlierLife {
            first: lives.first,
            shards,
            next: removed.shards.iter().map(|(shard, log)| (*shard, log.next)).collect(),
            positions: removed.checkpoints.into_iter().map(|(consumer, kept)| (consumer, kept.positions)).collect(),
        };
        self.ended().insert(name.clone(), lives.ended(ended));
        Ok(())
    }

    async fn list(&self) -> Result<Vec<StreamName>, StreamError> {
        Ok(self.lock().keys().cloned().collect())
    }

    async fn describe(&self, name: &StreamName) -> Result<Arc<StreamDescription>, StreamError> {
        self.with(name, |stream| Ok(Arc::clone(&stream.description)))
    }

    async fn reshard(&self, name: &StreamName, change: Reshard) -> Result<Arc<StreamDescription>, StreamError> {
        let now = self.clock.now();
        let description = self.with(name, |stream| {
            let now = now.max(stream.floor);
            let next = |shard: ShardId| stream.shards[&shard].next;
            let shards = stream.description.shards.resharded(change, now, next);
            stream.set_shards(shards.map_err(|source| StreamError::Reshard { stream: name.clone(), source })?);
            Ok(Arc::clone(&stream.description))
        });
        self.changed.send_replace(());
        description
    }

    async fn alter(
        &self,
        name: &StreamName,
        from: &StreamSettings,
        to: StreamSettings,
    ) -> Result<Arc<StreamDescription>, StreamError> {
        let now = self.clock.now();
        self.with(name, |stream| {
            if stream.description.settings != *from {
                return Err(StreamError::SettingsConflict(name.clone()));
            }
            if let Some(key) = to.encryption_key.as_ref().filter(|key| !self.keys.contains(*key)) {
                return Err(StreamError::KeyMissing { stream: name.clone(), key: key.clone() });
            }
            let shorter = to.retention < from.retention;
            stream.description = Arc::new(StreamDescription { settings: to, ..(*stream.description).clone() });
            if shorter {
                stream.drop_expired(now);
            }
            Ok(Arc::clone(&stream.description))
        })
    }

    async fn append(&self, name: &StreamName, entries: Vec<PutEntry>) -> Result<AppendedBatch, StreamError> {
        let now = self.clock.now();
        let appended = self.with(name, |stream| {
            let at = stream.stamp(now);
            let results = entries
                .into_iter()
                .map(|entry| stream.description.settings.check(&entry).map(|()| stream.push(entry, at)))
                .collect();
            Ok(AppendedBatch { stream: Arc::clone(&stream.description), results })
        });
        self.changed.send_replace(());
        appended
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
        self.with(name, |stream| {
            let log = stream.log(name, shard)?;
            Ok(match position {
                StartingPosition::TrimHorizon => log.oldest,
                StartingPosition::Latest => log.next,
                StartingPosition::At(number) => number.clamp(log.oldest, log.next),
                StartingPosition::After(number) => {
                    SequenceNumber(number.0.saturating_add(1)).clamp(log.oldest, log.next)
                }
                StartingPosition::AtTime(at) => {
                    let index = log.records.partition_point(|record| record.arrived_at < at);
                    log.records.get(index).map_or(log.next, |record| record.sequence_number)
                }
            })
        })
    }

    async fn read(
        &self,
        name: &StreamName,
        shard: ShardId,
        from: SequenceNumber,
        limit: ReadLimit,
    ) -> Result<ReadBatch, StreamError> {
        let mut changed = self.changed.subscribe();
        loop {
            changed.borrow_and_update();
            let batch = self.read_now(name, shard, from, limit)?;
            if !limit.wait || !batch.records.is_empty() || batch.end_of_shard {
                return Ok(batch);
            }
            changed.changed().await.expect("the store outlives its readers");
        }
    }

    async fn trim(&self, name: &StreamName) -> Result<(), StreamError> {
        let now = self.clock.now();
        self.with(name, |stream| {
            stream.drop_expired(now);
            stream.set_shards(stream.description.shards.without_closed_before(stream.horizon));
            Ok(())
        })
    }

    async fn commit(
        &self,
        home: &StreamName,
        consumer: &ConsumerName,
        checkpoint: Checkpoint,
        outputs: Vec<PutEntry>,
    ) -> Result<Vec<Appended>, StreamError> {
        let now = self.clock.now();
        let appended = self.with(home, |stream| {
            let found = stream.checkpoints.get(consumer).map_or(0, |checkpoint| checkpoint.version);
            if checkpoint.version != found + 1 {
                let expected = checkpoint.version.saturating_sub(1);
                return Err(StreamError::CheckpointConflict { consumer: consumer.clone(), expected, found });
            }
            stream.description.settings.check_commit(consumer, &checkpoint, &outputs)?;
            stream.checkpoints.insert(consumer.clone(), checkpoint);
            let at = stream.stamp(now);
            Ok(outputs.into_iter().map(|entry| stream.push(entry, at)).collect())
        });
        self.changed.send_replace(());
        appended
    }

    async fn checkpoint(&self, home: &StreamName, consumer: &ConsumerName) -> Result<Option<Checkpoint>, StreamError> {
        self.with(home, |stream| Ok(stream.checkpoints.get(consumer).cloned()))
    }
}
