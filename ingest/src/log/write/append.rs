//! The write side of a stream: entries are checked, admitted, routed and encoded by whoever appends them, and handed to
//! the writer.

use std::collections::BTreeMap;
use std::sync::Arc;

use model::clock::Timestamp;
use model::name::ConsumerName;
use model::stream::checkpoint::Checkpoint;
use model::stream::record::{Appended, PutEntry};
use model::stream::sequence_number::SequenceNumber;
use model::stream::shard::{ShardId, ShardMap};
use model::stream::store::{AppendError, AppendedBatch, StreamDescription, StreamError};
use tokio::sync::oneshot;

use crate::log::frames::block::Unnumbered;
use crate::log::stream::StreamLog;
use crate::log::write::batch::{Batch, Placed};
use crate::log::write::queue::{Done, ENTRY_OVERHEAD_BYTES, Job};

/// Stands for a place until the writer has given one.
const NOWHERE: Appended =
    Appended { shard: ShardId(0), sequence_number: SequenceNumber::FIRST, arrived_at: Timestamp::MIN };

impl StreamLog {
    /// Appends entries, each taken or refused on its own, and waits until those that are taken are durable.
    pub(crate) async fn append(&self, entries: Vec<PutEntry>) -> Result<AppendedBatch, StreamError> {
        let description = self.description();
        let hashes = PutEntry::hash_keys(&entries);
        let mut refused: BTreeMap<usize, AppendError> = BTreeMap::new();
        for (index, entry) in entries.iter().enumerate() {
            if let Err(error) = description.settings.check(entry) {
                refused.insert(index, error);
            }
        }
        let fits = |index: &usize| !refused.contains_key(index);
        let fitting: Vec<usize> = (0..entries.len()).filter(fits).collect();
        let admitted = self.queue.admit(fitting.iter().map(|index| held_bytes(&entries[*index])));
        let mut bytes = 0;
        for (index, admitted) in fitting.into_iter().zip(admitted) {
            if admitted {
                bytes += held_bytes(&entries[index]);
            } else {
                refused.insert(index, AppendError::Throttled { shard: description.shards.route(hashes[index]) });
            }
        }
        let unplaced = |index| refused.get(&index).cloned().map_or(Ok(NOWHERE), Err);
        let mut results: Vec<Result<Appended, AppendError>> = (0..entries.len()).map(unplaced).collect();
        if refused.len() == entries.len() {
            return Ok(AppendedBatch { stream: description, results });
        }
        let batch = |shards: &ShardMap| Batch::new(&entries, &hashes, |index| !refused.contains_key(&index), shards);
        let job = |blocks, done| Job::Append { blocks, bytes, done };
        let routed = self.route_and_append(description, batch, bytes, job).await?;
        for (index, appended) in routed.batch.appended(&routed.placed) {
            results[index] = Ok(appended);
        }
        Ok(AppendedBatch { stream: routed.stream, results })
    }

    /// Appends outputs together with the checkpoint that they belong to: both become durable, or neither.
    pub(crate) async fn commit(
        &self,
        consumer: &ConsumerName,
        checkpoint: Checkpoint,
        outputs: Vec<PutEntry>,
    ) -> Result<Vec<Appended>, StreamError> {
        let description = self.description();
        description.settings.check_commit(consumer, &checkpoint, &outputs)?;
        let output_bytes: usize = outputs.iter().map(held_bytes).sum();
        let bytes = output_bytes + checkpoint.state.len() + ENTRY_OVERHEAD_BYTES;
        let hashes = PutEntry::hash_keys(&outputs);
        self.queue.admit_waiting(bytes).await;
        let batch = |shards: &ShardMap| Batch::new(&outputs, &hashes, |_| true, shards);
        let job = |outputs, done| {
            let (consumer, checkpoint) = (consumer.clone(), checkpoint.clone());
            Job::Commit { consumer, checkpoint, outputs, bytes, done }
        };
        let routed = self.route_and_append(description, batch, bytes, job).await?;
        let mut appended = vec![NOWHERE; outputs.len()];
        routed.batch.appended(&routed.placed).for_each(|(index, at)| appended[index] = at);
        Ok(appended)
    }

    /// Hands a job to the writer and waits for its answer.
    pub(crate) async fn ask<T>(&self, job: impl FnOnce(Done<T>) -> Job) -> Result<T, StreamError> {
        let (done, answer) = oneshot::channel();
        if self.queue.push(job(done)).is_err() {
            return Err(self.ended());
        }
        // A writer that is told to leave drops what it has not begun.
        answer.await.unwrap_or_else(|_| Err(self.ended()))
    }

    /// Places entries that hold `bytes` of room. Routes them by the map of `stream`, and again by the newer map when a
    /// reshard came in between.
    async fn route_and_append(
        &self,
        mut stream: Arc<StreamDescription>,
        batch: impl Fn(&ShardMap) -> Batch,
        bytes: usize,
        job: impl Fn(Vec<Unnumbered>, Done<Option<Placed>>) -> Job,
    ) -> Result<Routed, StreamError> {
        loop {
            let batch = batch(&stream.shards);
            if let Some(placed) = self.ask(|done| job(batch.blocks(), done)).await? {
                return Ok(Routed { stream, batch, placed });
            }
            self.queue.hold(bytes);
            stream = self.description();
        }
    }
}

/// Entries that the writer has placed, and the stream by whose map they were routed.
struct Routed {
    stream: Arc<StreamDescription>,
    batch: Batch,
    placed: Placed,
}

/// What an entry holds of the queue's bound.
fn held_bytes(entry: &PutEntry) -> usize {
    entry.size_bytes() + ENTRY_OVERHEAD_BYTES
}
