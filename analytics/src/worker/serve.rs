//! A worker's life: it opens what the server names, answers one query after the other, and ends with its pipes.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures::StreamExt;
use model::query::engine::{SqlEngine, SqlError, SqlErrorKind};
use model::stream::access::Readable;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::runtime::Handle;
use tokio_util::task::AbortOnDropHandle;

use crate::adhoc::archive::folder::AdhocArchive;
use crate::adhoc::engine::{AdhocEngine, AdhocOptions};
use crate::worker::calls::Calls;
use crate::worker::frame::{Frame, FrameError, FrameReader, FrameSender, Gone};
use crate::worker::message::{FromWorker, Opening, OpeningArchive, ToWorker};
use crate::worker::remote_access::RemoteAccess;
use crate::worker::remote_archive::RemoteArchive;
use crate::worker::remote_keeper::RemoteKeeper;
use crate::worker::remote_streams::RemoteStreams;
use crate::worker::rows;

/// How often a worker looks whether the last parts of a query have ended.
const REST_INTERVAL: Duration = Duration::from_millis(1);

/// Why a worker ended before its pipe did.
#[derive(Debug, thiserror::Error)]
#[error("the pipes to the server cannot be used")]
pub struct ServeError(#[source] Box<dyn std::error::Error + Send + Sync>);

impl From<FrameError> for ServeError {
    fn from(error: FrameError) -> Self {
        ServeError(error.into())
    }
}

/// Answers until the pipe ends. This runs on a runtime of one thread, which does nothing else: queries run on threads
/// of their own, so that the end of the server is seen at once.
pub async fn serve(
    read: impl AsyncRead + Send + Unpin + 'static,
    write: impl AsyncWrite + Send + Unpin + 'static,
) -> Result<(), ServeError> {
    let mut frames = FrameReader::<_, ToWorker>::new(read);
    let to = FrameSender::new(write);
    let calls = Calls::new(to.clone());
    let mut engine = Err(SqlError::new(SqlErrorKind::Failed, "nothing was opened"));
    let mut running: Option<AbortOnDropHandle<Result<(), Gone>>> = None;
    while let Some(Frame { head, body }) = frames.next().await? {
        match head {
            ToWorker::Open(opening) => engine = open(*opening, &calls, &to),
            ToWorker::Query { sql, limited } => {
                running = Some(spawn(answer(engine.clone(), sql, readable(limited, &calls), to.clone())));
            }
            ToWorker::Describe { sql, limited } => {
                running = Some(spawn(describe(engine.clone(), sql, readable(limited, &calls), to.clone())));
            }
            ToWorker::Cancel => drop(spawn_rest(running.take(), engine.clone(), to.clone())),
            ToWorker::Answer { call, more, answer } => calls.answered(call, more, answer, body),
        }
    }
    Ok(())
}

type Opened = Result<Arc<AdhocEngine>, SqlError>;

fn open(opening: Opening, calls: &Calls, to: &FrameSender<FromWorker>) -> Opened {
    let Opening { archive, streams, limits } = opening;
    let archive = match archive {
        OpeningArchive::None => None,
        OpeningArchive::Folder(folder) => Some(AdhocArchive::Folder(folder)),
        OpeningArchive::Server => {
            Some(AdhocArchive::Objects(Arc::new(RemoteArchive(calls.clone())), Handle::current()))
        }
    };
    let streams = streams.then(|| Arc::new(RemoteStreams(calls.clone())) as _);
    let keeper = Arc::new(RemoteKeeper { calls: calls.clone(), to: to.clone() });
    AdhocEngine::new(AdhocOptions { archive, streams, keeper: Some(keeper), limits, runtime: None }).map(Arc::new)
}

fn readable(limited: bool, calls: &Calls) -> Readable {
    if limited { Readable::Only(Arc::new(RemoteAccess(calls.clone()))) } else { Readable::Everything }
}

fn spawn(work: impl Future<Output = Result<(), Gone>> + Send + 'static) -> AbortOnDropHandle<Result<(), Gone>> {
    AbortOnDropHandle::new(tokio::spawn(work))
}

/// Answers one query.
async fn answer(engine: Opened, sql: String, readable: Readable, to: FrameSender<FromWorker>) -> Result<(), Gone> {
    if let Ok(engine) = &engine {
        match send_rows(engine, &sql, &readable, &to).await? {
            Ok(()) => to.send(FromWorker::Finished, Bytes::new()).await?,
            Err(error) => to.send(FromWorker::Failed(error.into()), Bytes::new()).await?,
        }
    }
    end(engine, to).await
}

async fn send_rows(
    engine: &AdhocEngine,
    sql: &str,
    readable: &Readable,
    to: &FrameSender<FromWorker>,
) -> Result<Result<(), SqlError>, Gone> {
    let started = engine.query_within(sql, readable).await.and_then(|rows| Ok((rows::columns(&rows.schema)?, rows)));
    let mut batches = match started {
        Ok((columns, rows)) => {
            to.send(FromWorker::Columns, columns).await?;
            rows.batches
        }
        Err(error) => return Ok(Err(error)),
    };
    while let Some(batch) = batches.next().await {
        let pieces = match batch {
            Ok(batch) => rows::Pieces::of(&batch),
            Err(error) => return Ok(Err(error)),
        };
        for piece in pieces {
            match piece {
                Ok(piece) => to.send(FromWorker::Rows, piece).await?,
                Err(error) => return Ok(Err(error)),
            }
        }
    }
    Ok(Ok(()))
}

async fn describe(engine: Opened, sql: String, readable: Readable, to: FrameSender<FromWorker>) -> Result<(), Gone> {
    if let Ok(engine) = &engine {
        match engine.describe_within(&sql, &readable).await.and_then(|schema| rows::columns(&schema)) {
            Ok(columns) => {
                to.send(FromWorker::Columns, columns).await?;
                to.send(FromWorker::Finished, Bytes::new()).await?;
            }
            Err(error) => to.send(FromWorker::Failed(error.into()), Bytes::new()).await?,
        }
    }
    end(engine, to).await
}

/// Says that the worker is free, once nothing of the query runs any more.
async fn end(engine: Opened, to: FrameSender<FromWorker>) -> Result<(), Gone> {
    match engine {
        Ok(engine) => {
            while !engine.is_idle() {
                tokio::time::sleep(REST_INTERVAL).await;
            }
        }
        Err(error) => to.send(FromWorker::Failed(error.into()), Bytes::new()).await?,
    }
    to.send(FromWorker::Idle, Bytes::new()).await
}

/// Ends a query that nobody reads any more. One that has ended by itself has said so.
fn spawn_rest(
    running: Option<AbortOnDropHandle<Result<(), Gone>>>,
    engine: Opened,
    to: FrameSender<FromWorker>,
) -> tokio::task::JoinHandle<()> {
    tokio::spawn(async move {
        let Some(running) = running else { return };
        running.abort();
        if running.await.is_err_and(|ended| ended.is_cancelled()) {
            // A server that is gone needs no answer.
            let _ = end(engine, to).await;
        }
    })
}
