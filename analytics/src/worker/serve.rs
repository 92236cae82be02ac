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
use crate::adhoc::engine::{AdhocEngine, AdhocOptions, ThreadStart};
use crate::worker::calls::Calls;
use crate::worker::frame::{Frame, FrameError, FrameReader, FrameSender, Gone};
use crate::worker::message::{FromWorker, Opening, OpeningArchive, ToWorker};
use crate::worker::priority::Priority;
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

/// Where answers come from, and go.
#[derive(Clone)]
struct Worker {
    engine: Opened,
    to: FrameSender<FromWorker>,
    priority: Arc<Priority>,
}

/// Answers until the pipe ends. This runs on a runtime of one thread, which does nothing else: queries run on threads
/// of their own, so that the end of the server is seen at once.
pub async fn serve(
    read: impl AsyncRead + Send + Unpin + 'static,
    write: impl AsyncWrite + Send + Unpin + 'static,
    priority: Arc<Priority>,
) -> Result<(), ServeError> {
    let mut frames = FrameReader::<_, ToWorker>::new(read);
    let to = FrameSender::new(write);
    let calls = Calls::new(to.clone());
    let engine = Err(SqlError::new(SqlErrorKind::Failed, "nothing was opened"));
    let mut worker = Worker { engine, to, priority };
    let mut running: Option<AbortOnDropHandle<Result<(), Gone>>> = None;
    while let Some(Frame { head, body }) = frames.next().await? {
        match head {
            ToWorker::Open(opening) => worker.engine = open(*opening, &calls, &worker),
            ToWorker::Query { sql, limited } => {
                running = Some(worker.spawn(worker.clone().answer(sql, readable(limited, &calls))));
            }
            ToWorker::Describe { sql, limited } => {
                running = Some(worker.spawn(worker.clone().describe(sql, readable(limited, &calls))));
            }
            ToWorker::Cancel => drop(worker.spawn_rest(running.take())),
            ToWorker::Answer { call, more, answer } => calls.answered(call, more, answer, body),
        }
    }
    Ok(())
}

type Opened = Result<Arc<AdhocEngine>, SqlError>;

fn open(opening: Opening, calls: &Calls, worker: &Worker) -> Opened {
    let Opening { archive, streams, limits } = opening;
    let archive = match archive {
        OpeningArchive::None => None,
        OpeningArchive::Folder(folder) => Some(AdhocArchive::Folder(folder)),
        OpeningArchive::Server => {
            Some(AdhocArchive::Objects(Arc::new(RemoteArchive(calls.clone())), Handle::current()))
        }
    };
    let streams = streams.then(|| Arc::new(RemoteStreams(calls.clone())) as _);
    let keeper = Arc::new(RemoteKeeper { calls: calls.clone(), to: worker.to.clone() });
    let priority = Arc::clone(&worker.priority);
    let on_thread_start: Option<ThreadStart> = Some(Arc::new(move || priority.enter()));
    let options = AdhocOptions { archive, streams, keeper: Some(keeper), limits, runtime: None, on_thread_start };
    AdhocEngine::new(options).map(Arc::new)
}

fn readable(limited: bool, calls: &Calls) -> Readable {
    if limited { Readable::Only(Arc::new(RemoteAccess(calls.clone()))) } else { Readable::Everything }
}

impl Worker {
    /// Does the work of a query. It may give way to everything else, from some time on.
    fn spawn(
        &self,
        work: impl Future<Output = Result<(), Gone>> + Send + 'static,
    ) -> AbortOnDropHandle<Result<(), Gone>> {
        AbortOnDropHandle::new(tokio::spawn(Arc::clone(&self.priority).watch(work)))
    }

    /// Answers one query.
    async fn answer(self, sql: String, readable: Readable) -> Result<(), Gone> {
        if let Ok(engine) = &self.engine {
            match send_rows(engine, &sql, &readable, &self.to).await? {
                Ok(()) => self.to.send(FromWorker::Finished, Bytes::new()).await?,
                Err(error) => self.to.send(FromWorker::Failed(error.into()), Bytes::new()).await?,
            }
        }
        self.end().await
    }

    async fn describe(self, sql: String, readable: Readable) -> Result<(), Gone> {
        if let Ok(engine) = &self.engine {
            match engine.describe_within(&sql, &readable).await.and_then(|schema| rows::columns(&schema)) {
                Ok(columns) => {
                    self.to.send(FromWorker::Columns, columns).await?;
                    self.to.send(FromWorker::Finished, Bytes::new()).await?;
                }
                Err(error) => self.to.send(FromWorker::Failed(error.into()), Bytes::new()).await?,
            }
        }
        self.end().await
    }

    /// Says that the query is over, once nothing of it runs any more.
    async fn end(self) -> Result<(), Gone> {
        match self.engine {
            Ok(engine) => {
                while !engine.is_idle() {
                    tokio::time::sleep(REST_INTERVAL).await;
                }
            }
            Err(error) => self.to.send(FromWorker::Failed(error.into()), Bytes::new()).await?,
        }
        self.to.send(FromWorker::Idle { spent: self.priority.is_spent() }, Bytes::new()).await
    }

    /// Ends a query that nobody reads any more. One that has ended by itself has said so.
    fn spawn_rest(&self, running: Option<AbortOnDropHandle<Result<(), Gone>>>) -> tokio::task::JoinHandle<()> {
        let worker = self.clone();
        tokio::spawn(async move {
            let Some(running) = running else { return };
            running.abort();
            if running.await.is_err_and(|ended| ended.is_cancelled()) {
                // A server that is gone needs no answer.
                let _ = worker.end().await;
            }
        })
    }
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
