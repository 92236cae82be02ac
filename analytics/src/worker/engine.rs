//! [`SqlEngine`] over workers: the server's side of ad hoc SQL.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, OnceLock};

use async_trait::async_trait;
use datafusion::arrow::datatypes::SchemaRef;
use futures::{StreamExt, stream};
use model::archive::store::Archive;
use model::query::engine::{SqlEngine, SqlError, SqlErrorKind, SqlRows};
use model::stream::access::Readable;
use model::stream::store::StreamStore;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};

use crate::adhoc::engine::check_length;
use crate::adhoc::limits::AdhocLimits;
use crate::error::failed;
use crate::worker::backing::Backing;
use crate::worker::learned::Learned;
use crate::worker::message::{Opening, OpeningArchive, ToWorker};
use crate::worker::permitted::Permitted;
use crate::worker::pool::{Lent, Pool};
use crate::worker::process::{Launcher, WorkerLimit};
use crate::worker::session::{self, Left, Outlet, Patience, Piece};

/// Pieces of an answer that wait for a slow reader.
const PIECES_WAITING_MAX: usize = 2;

/// Where workers read archived objects.
#[derive(Clone)]
pub enum WorkerArchive {
    /// In a folder, by themselves.
    Folder(PathBuf),
    /// Behind the seam, through this process.
    Objects(Arc<dyn Archive>),
}

/// What queries read, and how much they may use.
#[derive(Clone, Default)]
pub struct WorkerOptions {
    /// The archive. Its top-level folders are tables.
    pub archive: Option<WorkerArchive>,
    /// The streams whose live tails follow what the archive has. Every stream is a table.
    pub streams: Option<Arc<dyn StreamStore>>,
    /// Bounds.
    pub limits: AdhocLimits,
    /// Keeps a worker ready ahead of time, also while nobody asks.
    pub ahead: bool,
}

/// What workers do, in numbers.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct WorkerFigures {
    /// Processes, at rest and at work.
    pub workers: usize,
    /// Those at work.
    pub running: usize,
    /// Queries that were ended, by the word of the limit; `crash` for those that no limit ended.
    pub ended: BTreeMap<&'static str, u64>,
}

/// The word in [`WorkerFigures::ended`] for a worker that crashed.
pub const CRASH: &str = "crash";

/// Answers SQL over streams and archive in processes of its own. A query that crashes one is answered with an error.
pub struct WorkerEngine {
    pool: Arc<Pool>,
    slots: Arc<Semaphore>,
    backing: Backing,
    limits: AdhocLimits,
    patience: Patience,
    ended: Arc<Mutex<BTreeMap<&'static str, u64>>>,
}

impl WorkerEngine {
    /// Starts the first worker ahead of time. Called on the runtime on which sessions are to run.
    pub fn new(launcher: Arc<dyn Launcher>, options: WorkerOptions) -> Self {
        let WorkerOptions { archive, streams, limits, ahead } = options;
        let (opening, objects) = match archive {
            None => (OpeningArchive::None, None),
            Some(WorkerArchive::Folder(folder)) => (OpeningArchive::Folder(folder), None),
            Some(WorkerArchive::Objects(archive)) => (OpeningArchive::Server, Some(archive)),
        };
        let opening = Opening { archive: opening, streams: streams.is_some(), limits: of_worker(&limits) };
        let pool = Pool::new(launcher, opening, ahead);
        pool.ensure_spare();
        tokio::spawn(Pool::retire(Arc::downgrade(&pool)));
        WorkerEngine {
            pool,
            slots: Arc::new(Semaphore::new(limits.queries_running_max)),
            backing: Backing {
                learned: Arc::new(Learned::new(limits.schema_cache_objects_max)),
                streams,
                archive: objects,
                permitted: Permitted::default(),
            },
            patience: Patience {
                query: limits.query_duration_max,
                reader: limits.reader_wait_max,
                queue: Arc::default(),
            },
            limits,
            ended: Arc::default(),
        }
    }

    /// What workers do, in numbers.
    pub fn figures(&self) -> WorkerFigures {
        let (workers, running) = self.pool.count();
        let ended = self.ended.lock().expect("no holder of the lock panics").clone();
        WorkerFigures { workers, running, ended }
    }

    async fn ask(&self, sql: &str, question: ToWorker, readable: &Readable) -> Result<Reader, SqlError> {
        check_length(sql, &self.limits)?;
        let slot = self.slot().await?;
        let lent = self.pool.lend().await.map_err(|error| failed("starting a process for SQL", &error))?;
        let (pieces_to, pieces) = mpsc::channel(PIECES_WAITING_MAX);
        let end = Arc::new(OnceLock::new());
        let outlet = Outlet { pieces: pieces_to, end: Arc::clone(&end) };
        let session = Session { lent, slot, pool: Arc::clone(&self.pool), ended: Arc::clone(&self.ended) };
        let backing = Backing { permitted: Permitted::new(readable.clone()), ..self.backing.clone() };
        tokio::spawn(session.run(question, outlet, backing, self.patience.clone()));
        Ok(Reader { pieces, end, over: false })
    }

    async fn slot(&self) -> Result<OwnedSemaphorePermit, SqlError> {
        let limits = &self.limits;
        if let Ok(free) = Arc::clone(&self.slots).try_acquire_owned() {
            return Ok(free);
        }
        let _waiting = Waiting::new(&self.patience.queue);
        let slot = tokio::time::timeout(limits.queue_wait_max, Arc::clone(&self.slots).acquire_owned()).await;
        let slot = slot.map_err(|_| limits.too_many())?;
        Ok(slot.expect("the semaphore is never closed"))
    }
}

/// A query that waits for its place, as those see that have one.
struct Waiting<'a>(&'a AtomicUsize);

impl<'a> Waiting<'a> {
    fn new(queue: &'a AtomicUsize) -> Self {
        queue.fetch_add(1, Ordering::Relaxed);
        Waiting(queue)
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// A worker answers one query at a time.
fn of_worker(limits: &AdhocLimits) -> AdhocLimits {
    AdhocLimits { queries_running_max: 1, ..limits.clone() }
}

/// A query on its way, with everything that it holds.
struct Session {
    lent: Lent,
    slot: OwnedSemaphorePermit,
    pool: Arc<Pool>,
    ended: Arc<Mutex<BTreeMap<&'static str, u64>>>,
}

impl Session {
    async fn run(mut self, question: ToWorker, outlet: Outlet, backing: Backing, patience: Patience) {
        match session::run(self.lent.take(), question, outlet, &backing, patience).await {
            Left::Free(worker) => self.lent.give_back(worker),
            Left::Retired => drop(self.lent),
            Left::Ended(limit) => {
                let word = limit.map_or(CRASH, WorkerLimit::word);
                *self.ended.lock().expect("no holder of the lock panics").entry(word).or_default() += 1;
                drop(self.lent);
            }
        }
        drop(self.slot);
        self.pool.ensure_spare();
    }
}

/// The reading end of an answer. Dropped, it ends the query.
struct Reader {
    pieces: mpsc::Receiver<Piece>,
    end: Arc<OnceLock<Result<(), SqlError>>>,
    over: bool,
}

impl Reader {
    async fn columns(&mut self) -> Result<SchemaRef, SqlError> {
        match self.pieces.recv().await {
            Some(Piece::Columns(schema)) => Ok(schema),
            Some(Piece::Rows(_)) => Err(amiss()),
            None => Err(self.outcome().err().unwrap_or_else(amiss)),
        }
    }

    async fn next(&mut self) -> Option<Result<datafusion::arrow::array::RecordBatch, SqlError>> {
        if self.over {
            return None;
        }
        let next = match self.pieces.recv().await {
            Some(Piece::Rows(rows)) => Some(Ok(rows)),
            Some(Piece::Columns(_)) => Some(Err(amiss())),
            None => self.outcome().err().map(Err),
        };
        self.over = !matches!(next, Some(Ok(_)));
        next
    }

    fn outcome(&self) -> Result<(), SqlError> {
        self.end.get().cloned().unwrap_or_else(|| Err(amiss()))
    }
}

fn amiss() -> SqlError {
    SqlError::new(SqlErrorKind::Failed, "the query's answer broke off; this is a bug of Gallop, not of the query")
}

#[async_trait]
impl SqlEngine for WorkerEngine {
    async fn query_within(&self, sql: &str, readable: &Readable) -> Result<SqlRows, SqlError> {
        let question = ToWorker::Query { sql: sql.to_owned(), limited: readable.is_limited() };
        let mut reader = self.ask(sql, question, readable).await?;
        let schema = reader.columns().await?;
        let batches = stream::unfold(reader, async |mut reader| Some((reader.next().await?, reader)));
        Ok(SqlRows { schema, batches: batches.fuse().boxed() })
    }

    async fn describe_within(&self, sql: &str, readable: &Readable) -> Result<SchemaRef, SqlError> {
        let question = ToWorker::Describe { sql: sql.to_owned(), limited: readable.is_limited() };
        self.ask(sql, question, readable).await?.columns().await
    }
}
