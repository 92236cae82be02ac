//! Counts what is put into streams: a wrapper around the store that the front door stands before.

use std::sync::Arc;

use async_trait::async_trait;
use model::checkpoint::Checkpoint;
use model::name::{ConsumerName, StreamName};
use model::record::{Appended, PutEntry};
use model::sequence_number::SequenceNumber;
use model::shard::{Reshard, ShardId};
use model::stream_settings::StreamSettings;
use model::stream_store::{
    AppendError, ReadBatch, ReadLimit, StartingPosition, StreamDescription, StreamError, StreamOptions, StreamStore,
};

use super::registry::{Metrics, Put};

/// A store whose appends are counted.
pub(crate) struct CountedStreams {
    store: Arc<dyn StreamStore>,
    metrics: Arc<Metrics>,
}

impl CountedStreams {
    /// Counts appends to `store`.
    pub(crate) fn new(store: Arc<dyn StreamStore>, metrics: Arc<Metrics>) -> Self {
        CountedStreams { store, metrics }
    }
}

#[async_trait]
impl StreamStore for CountedStreams {
    async fn create(&self, stream: &StreamName, options: StreamOptions) -> Result<Arc<StreamDescription>, StreamError> {
        self.store.create(stream, options).await
    }

    async fn delete(&self, stream: &StreamName) -> Result<(), StreamError> {
        self.store.delete(stream).await
    }

    async fn list(&self) -> Result<Vec<StreamName>, StreamError> {
        self.store.list().await
    }

    async fn describe(&self, stream: &StreamName) -> Result<Arc<StreamDescription>, StreamError> {
        self.store.describe(stream).await
    }

    async fn reshard(&self, stream: &StreamName, change: Reshard) -> Result<Arc<StreamDescription>, StreamError> {
        self.store.reshard(stream, change).await
    }

    async fn alter(
        &self,
        stream: &StreamName,
        from: &StreamSettings,
        to: StreamSettings,
    ) -> Result<Arc<StreamDescription>, StreamError> {
        self.store.alter(stream, from, to).await
    }

    async fn append(
        &self,
        stream: &StreamName,
        entries: Vec<PutEntry>,
    ) -> Result<Vec<Result<Appended, AppendError>>, StreamError> {
        let sizes: Vec<usize> = entries.iter().map(|entry| entry.data.len()).collect();
        let appended = self.store.append(stream, entries).await?;
        let mut put = Put { records: 0, bytes: 0, refused: 0 };
        for (result, bytes) in appended.iter().zip(sizes) {
            match result {
                Ok(_) => {
                    put.records += 1;
                    put.bytes += bytes as u64;
                }
                Err(_) => put.refused += 1,
            }
        }
        self.metrics.put(stream, &put);
        Ok(appended)
    }

    async fn locate(
        &self,
        stream: &StreamName,
        shard: ShardId,
        position: StartingPosition,
    ) -> Result<SequenceNumber, StreamError> {
        self.store.locate(stream, shard, position).await
    }

    async fn read(
        &self,
        stream: &StreamName,
        shard: ShardId,
        from: SequenceNumber,
        limit: ReadLimit,
    ) -> Result<ReadBatch, StreamError> {
        self.store.read(stream, shard, from, limit).await
    }

    async fn trim(&self, stream: &StreamName) -> Result<(), StreamError> {
        self.store.trim(stream).await
    }

    async fn commit(
        &self,
        home: &StreamName,
        consumer: &ConsumerName,
        checkpoint: Checkpoint,
        outputs: Vec<PutEntry>,
    ) -> Result<Vec<Appended>, StreamError> {
        self.store.commit(home, consumer, checkpoint, outputs).await
    }

    async fn checkpoint(&self, home: &StreamName, consumer: &ConsumerName) -> Result<Option<Checkpoint>, StreamError> {
        self.store.checkpoint(home, consumer).await
    }
}
