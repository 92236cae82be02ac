//! The server's streams as a worker has them: they are read, and nothing else.

use std::sync::Arc;

use async_trait::async_trait;
use model::name::{ConsumerName, StreamName};
use model::stream::checkpoint::Checkpoint;
use model::stream::put_run::PutRun;
use model::stream::record::{Appended, PutEntry};
use model::stream::sequence_number::SequenceNumber;
use model::stream::settings::StreamSettings;
use model::stream::shard::{Reshard, ShardId};
use model::stream::store::{
    AppendError, AppendedBatch, ReadBatch, ReadLimit, StartingPosition, StreamDescription, StreamError, StreamOptions,
    StreamStore,
};

use crate::worker::calls::Calls;
use crate::worker::failure::untold;
use crate::worker::message::{Answer, Asked, ShardEnd};
use crate::worker::records;

/// Reads streams through the server.
pub(crate) struct RemoteStreams(pub(crate) Calls);

/// The shard of calls that are about none.
const NO_SHARD: ShardId = ShardId(0);

impl RemoteStreams {
    async fn ask(
        &self,
        stream: &StreamName,
        shard: ShardId,
        asked: Asked,
    ) -> Result<(Answer, bytes::Bytes), StreamError> {
        match self.0.ask_one(asked).await {
            Ok((Answer::StreamFailed(failure), _)) => Err(failure.into_error(stream, shard)),
            Ok(answered) => Ok(answered),
            Err(gone) => Err(untold(gone.to_string())),
        }
    }
}

fn refused<T>() -> Result<T, StreamError> {
    Err(untold("SQL only reads streams".to_owned()))
}

fn amiss() -> StreamError {
    untold("the server's answer does not fit the question".to_owned())
}

#[async_trait]
impl StreamStore for RemoteStreams {
    async fn list(&self) -> Result<Vec<StreamName>, StreamError> {
        match self.0.ask_one(Asked::Streams).await {
            Ok((Answer::Streams(names), _)) => Ok(names),
            Ok((Answer::StreamFailed(failure), _)) => Err(untold(failure.text())),
            Ok(_) => Err(amiss()),
            Err(gone) => Err(untold(gone.to_string())),
        }
    }

    async fn describe(&self, stream: &StreamName) -> Result<Arc<StreamDescription>, StreamError> {
        match self.ask(stream, NO_SHARD, Asked::Stream(stream.clone())).await? {
            (Answer::Stream(known), _) => Ok(Arc::new(StreamDescription {
                name: known.name,
                created_at: known.created_at,
                settings: known.settings,
                shards: known.shards,
                lives: known.lives,
            })),
            _ => Err(amiss()),
        }
    }

    async fn locate(
        &self,
        stream: &StreamName,
        shard: ShardId,
        position: StartingPosition,
    ) -> Result<SequenceNumber, StreamError> {
        let end = match position {
            StartingPosition::TrimHorizon => ShardEnd::Oldest,
            StartingPosition::Latest => ShardEnd::Latest,
            StartingPosition::At(_) | StartingPosition::After(_) | StartingPosition::AtTime(_) => return refused(),
        };
        match self.ask(stream, shard, Asked::Locate { stream: stream.clone(), shard, end }).await? {
            (Answer::Number(number), _) => Ok(number),
            _ => Err(amiss()),
        }
    }

    /// It never waits for records.
    async fn read(
        &self,
        stream: &StreamName,
        shard: ShardId,
        from: SequenceNumber,
        limit: ReadLimit,
    ) -> Result<ReadBatch, StreamError> {
        let ReadLimit { records_max, bytes_max, wait: _ } = limit;
        let asked = Asked::Read { stream: stream.clone(), shard, from, records_max, bytes_max };
        match self.ask(stream, shard, asked).await? {
            (Answer::Records { next, tip, end_of_shard, complete_until, lost }, body) => {
                let records = records::decode(body).map_err(|error| untold(error.to_string()))?;
                Ok(ReadBatch { records, next, tip, end_of_shard, complete_until, lost })
            }
            _ => Err(amiss()),
        }
    }

    async fn create(&self, _: &StreamName, _: StreamOptions) -> Result<Arc<StreamDescription>, StreamError> {
        refused()
    }

    async fn delete(&self, _: &StreamName) -> Result<(), StreamError> {
        refused()
    }

    async fn reshard(&self, _: &StreamName, _: Reshard) -> Result<Arc<StreamDescription>, StreamError> {
        refused()
    }

    async fn alter(
        &self,
        _: &StreamName,
        _: &StreamSettings,
        _: StreamSettings,
    ) -> Result<Arc<StreamDescription>, StreamError> {
        refused()
    }

    async fn append(&self, _: &StreamName, _: Vec<PutEntry>) -> Result<AppendedBatch, StreamError> {
        refused()
    }

    async fn append_run(&self, _: &StreamName, _: PutRun) -> Result<Vec<(usize, AppendError)>, StreamError> {
        refused()
    }

    async fn trim(&self, _: &StreamName) -> Result<(), StreamError> {
        refused()
    }

    async fn commit(
        &self,
        _: &StreamName,
        _: &ConsumerName,
        _: Checkpoint,
        _: Vec<PutEntry>,
    ) -> Result<Vec<Appended>, StreamError> {
        refused()
    }

    async fn checkpoint(&self, _: &StreamName, _: &ConsumerName) -> Result<Option<Checkpoint>, StreamError> {
        refused()
    }
}
