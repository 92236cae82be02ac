//! One query on one worker, as the server sees it: rows go out, calls are answered, and whatever is over its bound ends
//! the worker, not the server.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use bytes::Bytes;
use datafusion::arrow::array::RecordBatch;
use datafusion::arrow::datatypes::SchemaRef;
use model::query::engine::{SqlError, SqlErrorKind};
use tokio::io::AsyncRead;
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::{Instant, MissedTickBehavior};

use crate::worker::backing::Backing;
use crate::worker::frame::{Frame, FrameError, FrameReader, FrameSender};
use crate::worker::message::{FromWorker, ToWorker};
use crate::worker::process::{Ended, WorkerLimit, WorkerProcess};
use crate::worker::rows;

/// How often a running worker is looked at.
const LOOK_INTERVAL: Duration = Duration::from_millis(25);
/// Calls of one worker that are answered at the same time; more wait in the pipe.
const CALLS_MAX: usize = 8;
/// How long a worker has to let go of a query that ended; one that needs longer is ended.
const REST_MAX: Duration = Duration::from_millis(500);
/// How long a reader may sleep while other queries wait for its place.
const READER_WAITED_FOR_MAX: Duration = Duration::from_secs(1);
/// How long a worker has to say itself that its time is over.
const TIME_GRACE: Duration = Duration::from_millis(300);

/// A worker and its pipes.
pub(crate) struct Worker {
    pub(crate) frames: FrameReader<Box<dyn AsyncRead + Send + Unpin>, FromWorker>,
    pub(crate) to: FrameSender<ToWorker>,
    pub(crate) process: Box<dyn WorkerProcess>,
}

/// How long a query may take, and how long its reader may sleep.
#[derive(Debug, Clone)]
pub(crate) struct Patience {
    pub(crate) query: Duration,
    pub(crate) reader: Duration,
    /// Queries that wait for a place.
    pub(crate) queue: Arc<AtomicUsize>,
}

impl Patience {
    /// Seconds that the reader has slept, if these are too many. It may sleep less while others wait.
    fn is_over(&self, slept: Duration) -> Option<u64> {
        let waited_for = 0 < self.queue.load(Ordering::Relaxed);
        let max = if waited_for { self.reader.min(READER_WAITED_FOR_MAX) } else { self.reader };
        (max <= slept).then_some(slept.as_secs())
    }
}

/// What comes of a query, in the order in which it comes.
#[derive(Debug)]
pub(crate) enum Piece {
    Columns(SchemaRef),
    Rows(RecordBatch),
}

/// Where an answer goes. The end stands apart, so that it finds its way past rows that nobody reads.
pub(crate) struct Outlet {
    pub(crate) pieces: mpsc::Sender<Piece>,
    pub(crate) end: Arc<OnceLock<Result<(), SqlError>>>,
}

/// What a query leaves behind.
pub(crate) enum Left {
    /// A worker that takes the next query.
    Free(Worker),
    /// Nothing: the worker was ended because it is of no more use, not because of what it did.
    Retired,
    /// Nothing; and the bound that was hit, if it was one.
    Ended(Option<WorkerLimit>),
}

/// Why the answer is over.
enum Over {
    /// The worker has said all, and also whether it is free if it has come to that.
    Said(Result<(), SqlError>, Option<bool>),
    /// Nobody reads the answer.
    Unread,
    /// A bound was hit.
    Limit(WorkerLimit),
    /// The worker is gone.
    Gone,
    /// The worker speaks nonsense.
    Nonsense(SqlError),
}

/// Puts a question to `worker` and passes the answer on.
pub(crate) async fn run(
    mut worker: Worker,
    question: ToWorker,
    outlet: Outlet,
    backing: &Backing,
    patience: Patience,
) -> Left {
    let Outlet { pieces, end } = outlet;
    // A worker that is gone is seen below.
    let _ = worker.to.send(question, Bytes::new()).await;
    let over = answer(&mut worker, &pieces, backing, &patience).await;
    let (outcome, left) = match over {
        Over::Said(outcome, free) => {
            // The reader need not wait until the worker is free.
            let _ = end.set(outcome);
            drop(pieces);
            return rest(worker, free).await;
        }
        Over::Unread => {
            let _ = worker.to.send(ToWorker::Cancel, Bytes::new()).await;
            return rest(worker, None).await;
        }
        Over::Limit(limit) => {
            worker.process.kill().await;
            (limit.error(), Some(limit))
        }
        Over::Gone => match worker.process.ended().await {
            Ended::Limit(limit) => (limit.error(), Some(limit)),
            ended @ Ended::Otherwise(_) => (ended.error(), None),
        },
        Over::Nonsense(error) => {
            worker.process.kill().await;
            (error, None)
        }
    };
    let _ = end.set(Err(outcome));
    Left::Ended(left)
}

async fn answer(worker: &mut Worker, pieces: &mpsc::Sender<Piece>, backing: &Backing, patience: &Patience) -> Over {
    let deadline = Instant::now() + patience.query + TIME_GRACE;
    let mut look = tokio::time::interval(LOOK_INTERVAL);
    look.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut calls = JoinSet::new();
    // What the reader has not taken yet, and since when.
    let mut waiting: Option<(Piece, Instant)> = None;
    loop {
        tokio::select! {
            () = pieces.closed() => return Over::Unread,
            () = tokio::time::sleep_until(deadline) => return Over::Limit(WorkerLimit::Time(patience.query.as_secs())),
            _ = look.tick() => {
                let slept = waiting.as_ref().and_then(|(_, since)| patience.is_over(since.elapsed()));
                if let Some(limit) = slept.map(WorkerLimit::Reader).or_else(|| worker.process.over()) {
                    return Over::Limit(limit);
                }
            }
            _ = calls.join_next(), if !calls.is_empty() => {}
            room = pieces.reserve(), if waiting.is_some() => match (room, waiting.take()) {
                (Ok(room), Some((piece, _))) => room.send(piece),
                _ => return Over::Unread,
            },
            frame = worker.frames.next(), if waiting.is_none() && calls.len() < CALLS_MAX => match frame {
                Ok(Some(Frame { head, body })) => match head {
                    FromWorker::Call { call, asked } => {
                        calls.spawn(backing.clone().answer(call, asked, worker.to.clone()));
                    }
                    FromWorker::Learned { object, columns } => backing.learned.keep(&object, &columns),
                    FromWorker::Columns | FromWorker::Rows => {
                        let piece = match head {
                            FromWorker::Columns => rows::read_columns(&body).map(Piece::Columns),
                            _ => rows::read_rows(&body).map(Piece::Rows),
                        };
                        match piece {
                            Ok(piece) => waiting = Some((piece, Instant::now())),
                            Err(error) => return Over::Nonsense(error),
                        }
                    }
                    FromWorker::Finished => return Over::Said(Ok(()), None),
                    FromWorker::Failed(failure) => return Over::Said(Err(failure.into()), None),
                    FromWorker::Idle { spent } => return Over::Said(Ok(()), Some(!spent)),
                },
                Ok(None) => return Over::Gone,
                Err(FrameError::Io(_)) => return Over::Gone,
                Err(error) => return Over::Nonsense(SqlError::new(SqlErrorKind::Failed, error.to_string())),
            },
        }
    }
}

/// Waits until the worker is free. One that takes too long, is spent, or has grown large, is ended.
async fn rest(mut worker: Worker, free: Option<bool>) -> Left {
    let free = match free {
        Some(free) => free,
        None => tokio::time::timeout(REST_MAX, until_idle(&mut worker)).await.unwrap_or(false),
    };
    if free && !worker.process.is_large() {
        return Left::Free(worker);
    }
    worker.process.kill().await;
    Left::Retired
}

/// Passes over what is still said of a query that is over. Returns whether the worker takes the next one.
async fn until_idle(worker: &mut Worker) -> bool {
    loop {
        match worker.frames.next().await {
            Ok(Some(Frame { head: FromWorker::Idle { spent }, .. })) => return !spent,
            Ok(Some(_)) => {}
            Ok(None) | Err(_) => return false,
        }
    }
}
