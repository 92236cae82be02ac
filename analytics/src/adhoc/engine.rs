//! Runs queries: each on a task of its own, on threads that belong to SQL, within its limits.

use std::sync::Arc;

use async_trait::async_trait;
use datafusion::arrow::datatypes::SchemaRef;
use futures::{StreamExt, stream};
use model::query::engine::{SqlEngine, SqlError, SqlErrorKind, SqlRows};
use model::stream::access::Readable;
use model::stream::store::StreamStore;
use tokio::runtime::{Builder, Handle, Runtime};
use tokio::sync::Semaphore;
use tokio::time::Instant;

use crate::adhoc::answer::task::{self, Running, Turn};
use crate::adhoc::archive::folder::{AdhocArchive, ArchiveFolder};
use crate::adhoc::keeper::ColumnsKeeper;
use crate::adhoc::limits::AdhocLimits;
use crate::adhoc::table::schema_cache::SchemaCache;
use crate::adhoc::table::snapshot::Sources;
use crate::error::failed;

/// What queries read, and how much they may use.
#[derive(Clone, Default)]
pub struct AdhocOptions {
    /// The archive. Its top-level folders are tables.
    pub archive: Option<AdhocArchive>,
    /// The streams whose live tails follow what the archive has. Every stream is a table.
    pub streams: Option<Arc<dyn StreamStore>>,
    /// What remembers the columns of archived objects longer than this engine.
    pub keeper: Option<Arc<dyn ColumnsKeeper>>,
    /// Bounds.
    pub limits: AdhocLimits,
    /// Where queries run. Without it, on threads of their own.
    pub runtime: Option<Handle>,
    /// What each of those threads does first.
    pub on_thread_start: Option<ThreadStart>,
}

/// What a thread does first.
pub type ThreadStart = Arc<dyn Fn() + Send + Sync>;

/// Answers SQL over streams and archive.
pub struct AdhocEngine {
    sources: Sources,
    limits: Arc<AdhocLimits>,
    running: Arc<Semaphore>,
    runtime: Handle,
    /// Threads of its own: a query that computes for long holds up other queries, not the streams.
    threads: Option<Runtime>,
}

impl AdhocEngine {
    /// Opens the archive, and starts the threads. Error: a folder that does not exist.
    pub fn new(options: AdhocOptions) -> Result<Self, SqlError> {
        let limits = Arc::new(options.limits);
        let archive = options.archive.map(|archive| ArchiveFolder::open(archive, &limits)).transpose()?;
        let cache = Arc::new(SchemaCache::new(limits.schema_cache_objects_max, options.keeper));
        let (streams, readable) = (options.streams, Readable::Everything);
        let sources = Sources { archive, streams, cache, limits: Arc::clone(&limits), readable };
        let (runtime, threads) = match options.runtime {
            Some(runtime) => (runtime, None),
            None => {
                let threads = start_threads(&limits, options.on_thread_start)?;
                (threads.handle().clone(), Some(threads))
            }
        };
        let running = Arc::new(Semaphore::new(limits.queries_running_max));
        Ok(AdhocEngine { sources, limits, running, runtime, threads })
    }

    /// Waits for a turn. Error: a text that is too long, or too many queries for too long.
    async fn turn(&self, sql: &str) -> Result<Turn, SqlError> {
        let limits = &self.limits;
        check_length(sql, limits)?;
        let turn = Arc::clone(&self.running).acquire_owned();
        let permit = tokio::time::timeout(limits.queue_wait_max, turn).await.map_err(|_| limits.too_many())?;
        let permit = permit.expect("the semaphore is never closed");
        let duration_max = limits.query_duration_max;
        Ok(Turn { permit, deadline: Instant::now() + duration_max, duration_max })
    }

    /// What a query of somebody reads who may read these streams.
    fn sources(&self, readable: &Readable) -> Sources {
        Sources { readable: readable.clone(), ..self.sources.clone() }
    }

    /// Whether nothing of any query runs any more, not even a part that is being cancelled.
    pub fn is_idle(&self) -> bool {
        self.runtime.metrics().num_alive_tasks() == 0
    }
}

fn start_threads(limits: &AdhocLimits, on_thread_start: Option<ThreadStart>) -> Result<Runtime, SqlError> {
    let mut threads = Builder::new_multi_thread();
    threads.worker_threads(limits.threads).max_blocking_threads(limits.blocking_threads_max);
    threads.thread_stack_size(limits.stack_bytes).thread_name("sql").enable_time();
    if let Some(first) = on_thread_start {
        threads.on_thread_start(move || first());
    }
    threads.build().map_err(|error| failed("starting the threads of SQL", &error))
}

/// Error: a text that is too long to be looked at.
pub(crate) fn check_length(sql: &str, limits: &AdhocLimits) -> Result<(), SqlError> {
    if sql.len() <= limits.query_text_bytes_max {
        return Ok(());
    }
    let message = format!("the query is longer than {} bytes", limits.query_text_bytes_max);
    Err(SqlError::new(SqlErrorKind::LimitExceeded, message))
}

impl Drop for AdhocEngine {
    fn drop(&mut self) {
        if let Some(threads) = self.threads.take() {
            // The engine may be dropped inside another runtime, where waiting is not allowed.
            threads.shutdown_background();
        }
    }
}

#[async_trait]
impl SqlEngine for AdhocEngine {
    async fn query_within(&self, sql: &str, readable: &Readable) -> Result<SqlRows, SqlError> {
        let turn = self.turn(sql).await?;
        let (schema, running) = Running::start(&self.runtime, self.sources(readable), sql.to_owned(), turn).await?;
        let batches = stream::unfold(running, async |mut running| Some((running.next().await?, running)));
        Ok(SqlRows { schema, batches: batches.fuse().boxed() })
    }

    async fn describe_within(&self, sql: &str, readable: &Readable) -> Result<SchemaRef, SqlError> {
        let turn = self.turn(sql).await?;
        task::describe(&self.runtime, self.sources(readable), sql.to_owned(), turn).await
    }
}
