//! Layers: stores that stand before another store and change a few of its operations.
//!
//! ```text
//! caller -> counters -> quotas -> the log
//! ```
//!
//! A layer implements [`StreamLayer`] and writes down only the operations that it changes. All others go to the store
//! below, those that are added to the seam later too: [`StreamStore`] is implemented here, once, for all layers.

use std::sync::Arc;

use async_trait::async_trait;

use crate::name::{ConsumerName, StreamName};
use crate::stream::checkpoint::Checkpoint;
use crate::stream::put_run::PutRun;
use crate::stream::record::{Appended, PutEntry};
use crate::stream::sequence_number::SequenceNumber;
use crate::stream::settings::StreamSettings;
use crate::stream::shard::{Reshard, ShardId};
use crate::stream::store::{
    AppendError, AppendedBatch, ReadBatch, ReadLimit, StartingPosition, StreamDescription, StreamError, StreamOptions,
    StreamStore,
};

/// A store before another one. Each operation does what the operation of [`StreamStore`] of that name does; an operation
/// that a layer does not write down goes to the store below.
pub trait StreamLayer: Send + Sync {
    /// The store that this one stands before.
    fn below(&self) -> &dyn StreamStore;

    /// See [`StreamStore::create`].
    fn create(
        &self,
        stream: &StreamName,
        options: StreamOptions,
    ) -> impl Future<Output = Result<Arc<StreamDescription>, StreamError>> + Send {
        async move { self.below().create(stream, options).await }
    }

    /// See [`StreamStore::delete`].
    fn delete(&self, stream: &StreamName) -> impl Future<Output = Result<(), StreamError>> + Send {
        async move { self.below().delete(stream).await }
    }

    /// See [`StreamStore::list`].
    fn list(&self) -> impl Future<Output = Result<Vec<StreamName>, StreamError>> + Send {
        async move { self.below().list().await }
    }

    /// See [`StreamStore::describe`].
    fn describe(
        &self,
        stream: &StreamName,
    ) -> impl Future<Output = Result<Arc<StreamDescription>, StreamError>> + Send {
        async move { self.below().describe(stream).await }
    }

    /// See [`StreamStore::reshard`].
    fn reshard(
        &self,
        stream: &StreamName,
        change: Reshard,
    ) -> impl Future<Output = Result<Arc<StreamDescription>, StreamError>> + Send {
        async move { self.below().reshard(stream, change).await }
    }

    /// See [`StreamStore::alter`].
    fn alter(
        &self,
        stream: &StreamName,
        from: &StreamSettings,
        to: StreamSettings,
    ) -> impl Future<Output = Result<Arc<StreamDescription>, StreamError>> + Send {
        async move { self.below().alter(stream, from, to).await }
    }

    /// See [`StreamStore::append`].
    fn append(
        &self,
        stream: &StreamName,
        entries: Vec<PutEntry>,
    ) -> impl Future<Output = Result<AppendedBatch, StreamError>> + Send {
        async move { self.below().append(stream, entries).await }
    }

    /// See [`StreamStore::append_run`].
    fn append_run(
        &self,
        stream: &StreamName,
        run: PutRun,
    ) -> impl Future<Output = Result<Vec<(usize, AppendError)>, StreamError>> + Send {
        async move { self.below().append_run(stream, run).await }
    }

    /// See [`StreamStore::locate`].
    fn locate(
        &self,
        stream: &StreamName,
        shard: ShardId,
        position: StartingPosition,
    ) -> impl Future<Output = Result<SequenceNumber, StreamError>> + Send {
        async move { self.below().locate(stream, shard, position).await }
    }

    /// See [`StreamStore::read`].
    fn read(
        &self,
        stream: &StreamName,
        shard: ShardId,
        from: SequenceNumber,
        limit: ReadLimit,
    ) -> impl Future<Output = Result<ReadBatch, StreamError>> + Send {
        async move { self.below().read(stream, shard, from, limit).await }
    }

    /// See [`StreamStore::trim`].
    fn trim(&self, stream: &StreamName) -> impl Future<Output = Result<(), StreamError>> + Send {
        async move { self.below().trim(stream).await }
    }

    /// See [`StreamStore::commit`].
    fn commit(
        &self,
        home: &StreamName,
        consumer: &ConsumerName,
        checkpoint: Checkpoint,
        outputs: Vec<PutEntry>,
    ) -> impl Future<Output = Result<Vec<Appended>, StreamError>> + Send {
        async move { self.below().commit(home, consumer, checkpoint, outputs).await }
    }

    /// See [`StreamStore::checkpoint`].
    fn checkpoint(
        &self,
        home: &StreamName,
        consumer: &ConsumerName,
    ) -> impl Future<Output = Result<Option<Checkpoint>, StreamError>> + Send {
        async move { self.below().checkpoint(home, consumer).await }
    }
}

#[deny(clippy::missing_trait_methods)]
#[async_trait]
impl<L: StreamLayer> StreamStore for L {
    async fn create(&self, stream: &StreamName, options: StreamOptions) -> Result<Arc<StreamDescription>, StreamError> {
        StreamLayer::create(self, stream, options).await
    }

    async fn delete(&self, stream: &StreamName) -> Result<(), StreamError> {
        StreamLayer::delete(self, stream).await
    }

    async fn list(&self) -> Result<Vec<StreamName>, StreamError> {
        StreamLayer::list(self).await
    }

    async fn describe(&self, stream: &StreamName) -> Result<Arc<StreamDescription>, StreamError> {
        StreamLayer::describe(self, stream).await
    }

    async fn reshard(&self, stream: &StreamName, change: Reshard) -> Result<Arc<StreamDescription>, StreamError> {
        StreamLayer::reshard(self, stream, change).await
    }

    async fn alter(
        &self,
        stream: &StreamName,
        from: &StreamSettings,
        to: StreamSettings,
    ) -> Result<Arc<StreamDescription>, StreamError> {
        StreamLayer::alter(self, stream, from, to).await
    }

    async fn append(&self, stream: &StreamName, entries: Vec<PutEntry>) -> Result<AppendedBatch, StreamError> {
        StreamLayer::append(self, stream, entries).await
    }

    async fn append_run(&self, stream: &StreamName, run: PutRun) -> Result<Vec<(usize, AppendError)>, StreamError> {
        StreamLayer::append_run(self, stream, run).await
    }

    async fn locate(
        &self,
        stream: &StreamName,
        shard: ShardId,
        position: StartingPosition,
    ) -> Result<SequenceNumber, StreamError> {
        StreamLayer::locate(self, stream, shard, position).await
    }

    async fn read(
        &self,
        stream: &StreamName,
        shard: ShardId,
        from: SequenceNumber,
        limit: ReadLimit,
    ) -> Result<ReadBatch, StreamError> {
        StreamLayer::read(self, stream, shard, from, limit).await
    }

    async fn trim(&self, stream: &StreamName) -> Result<(), StreamError> {
        StreamLayer::trim(self, stream).await
    }

    async fn commit(
        &self,
        home: &StreamName,
        consumer: &ConsumerName,
        checkpoint: Checkpoint,
        outputs: Vec<PutEntry>,
    ) -> Result<Vec<Appended>, StreamError> {
        StreamLayer::commit(self, home, consumer, checkpoint, outputs).await
    }

    async fn checkpoint(&self, home: &StreamName, consumer: &ConsumerName) -> Result<Option<Checkpoint>, StreamError> {
        StreamLayer::checkpoint(self, home, consumer).await
    }
}
