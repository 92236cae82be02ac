//! Runs queries: each on a task of its own, on threads that belong to SQL, within its limits.

use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use datafusion::arrow::array::{ArrayRef, RecordBatch, StringArray};
use datafusion::common::TableReference;
use datafusion::execution::SendableRecordBatchStream;
use datafusion::physical_plan::execute_stream;
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::sql::sqlparser::ast::ObjectName;
use futures::{StreamExt, stream};
use model::query::engine::{Column, SqlEngine, SqlError, SqlErrorKind, SqlRows};
use model::stream::store::StreamStore;
use tokio::runtime::Runtime;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, oneshot};
use tokio::task::JoinHandle;
use tokio::time::Instant;

use crate::adhoc::archive::folder::{AdhocArchive, ArchiveFolder};
use crate::adhoc::fence::session::{read_only, session};
use crate::adhoc::fence::statement::{Request, parse};
use crate::adhoc::limits::AdhocLimits;
use crate::adhoc::names::resolve::{Names, find_table, resolve_tables};
use crate::adhoc::output;
use crate::adhoc::table::schema_cache::SchemaCache;
use crate::adhoc::table::snapshot::Sources;
use crate::adhoc::table::stream_table::StreamTable;
use crate::error::{failed, through, translate};

/// What queries read, and how much they may use.
#[derive(Clone, Default)]
pub struct AdhocOptions {
    /// The archive. Its top-level folders are tables.
    pub archive: Option<AdhocArchive>,
    /// The streams whose live tails follow what the archive has. Every stream is a table.
    pub streams: Option<Arc<dyn StreamStore>>,
    /// Bounds.
    pub limits: AdhocLimits,
}

/// Answers SQL over streams and archive.
pub struct AdhocEngine {
    sources: Sources,
    limits: Arc<AdhocLimits>,
    running: Arc<Semaphore>,
    /// Threads of its own: a query that computes for long holds up other queries, not the streams.
    runtime: Option<Runtime>,
}

impl AdhocEngine {
    /// Opens the archive, and starts the threads. Error: a folder that does not exist.
    pub fn new(options: AdhocOptions) -> Result<Self, SqlError> {
        let limits = Arc::new(options.limits);
        let archive = options.archive.map(|archive| ArchiveFolder::open(archive, &limits)).transpose()?;
        let cache = Arc::new(SchemaCache::new(limits.schema_cache_objects_max));
        let sources = Sources { archive, streams: options.streams, cache, limits: Arc::clone(&limits) };
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(limits.threads)
            .thread_name("sql")
            .enable_time()
            .build()
            .map_err(|error| failed("starting the threads of SQL", &error))?;
        let running = Arc::new(Semaphore::new(limits.queries_running_max));
        Ok(AdhocEngine { sources, limits, running, runtime: Some(runtime) })
    }

    async fn turn(&self) -> Result<OwnedSemaphorePermit, SqlError> {
        let turn = Arc::clone(&self.running).acquire_owned();
        match tokio::time::timeout(self.limits.queue_wait_max, turn).await {
            Ok(permit) => Ok(permit.expect("the semaphore is never closed")),
            Err(_) => Err(SqlError::new(
                SqlErrorKind::LimitExceeded,
                format!("{} queries are running; try again later", self.limits.queries_running_max),
            )),
        }
    }
}

impl Drop for AdhocEngine {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            // The engine may be dropped inside another runtime, where waiting is not allowed.
            runtime.shutdown_background();
        }
    }
}

/// A query's task; ends with it.
struct QueryTask(JoinHandle<()>);

impl Drop for QueryTask {
    fn drop(&mut self) {
        self.0.abort();
    }
}

#[async_trait]
impl SqlEngine for AdhocEngine {
    async fn query(&self, sql: &str) -> Result<SqlRows, SqlError> {
        let bytes_max = self.limits.query_text_bytes_max;
        if sql.len() > bytes_max {
            let message = format!("the query is longer than {bytes_max} bytes");
            return Err(SqlError::new(SqlErrorKind::LimitExceeded, message));
        }
        let permit = self.turn().await?;
        let deadline = Instant::now() + self.limits.query_duration_max;
        let (columns_to, columns) = oneshot::channel();
        let (lines_to, lines) = mpsc::channel(self.limits.chunks_waiting_max);
        let (sources, sql) = (self.sources.clone(), sql.to_owned());
        let runtime = self.runtime.as_ref().expect("it runs until the engine is dropped");
        let task = runtime.spawn(async move {
            let _permit = permit;
            run(sources, &sql, columns_to, &lines_to).await;
        });
        let mut running =
            Running { task: QueryTask(task), lines, deadline, limits: Arc::clone(&self.limits), ended: false };
        let columns = match tokio::time::timeout_at(deadline, columns).await {
            Ok(Ok(columns)) => columns?,
            Ok(Err(_)) => return Err(running.panic().await),
            Err(_) => return Err(running.too_long()),
        };
        let lines = stream::unfold(running, async |mut running| Some((running.next().await?, running)));
        Ok(SqlRows { columns, lines: lines.boxed() })
    }
}

/// The reading end of a query.
struct Running {
    task: QueryTask,
    lines: mpsc::Receiver<Result<Bytes, SqlError>>,
    deadline: Instant,
    limits: Arc<AdhocLimits>,
    ended: bool,
}

impl Running {
    async fn next(&mut self) -> Option<Result<Bytes, SqlError>> {
        if self.ended {
            return None;
        }
        let next = match tokio::time::timeout_at(self.deadline, self.lines.recv()).await {
            Ok(Some(next)) => Some(next),
            Ok(None) => match (&mut self.task.0).await {
                Ok(()) => None,
                Err(_) => Some(Err(crashed())),
            },
            Err(_) => Some(Err(self.too_long())),
        };
        self.ended = !matches!(next, Some(Ok(_)));
        next
    }

    async fn panic(&mut self) -> SqlError {
        let _ = (&mut self.task.0).await;
        crashed()
    }

    fn too_long(&self) -> SqlError {
        self.task.0.abort();
        let message = format!("the query took longer than {} s", self.limits.query_duration_max.as_secs_f64());
        SqlError::new(SqlErrorKind::LimitExceeded, message)
    }
}

fn crashed() -> SqlError {
    SqlError::new(SqlErrorKind::Failed, "the query crashed: this is a mistake of the engine, not of the query")
}

/// What the task does: plan, tell the columns, send the rows.
async fn run(
    sources: Sources,
    sql: &str,
    columns_to: oneshot::Sender<Result<Vec<Column>, SqlError>>,
    lines_to: &mpsc::Sender<Result<Bytes, SqlError>>,
) {
    let (batches, names) = match start(&sources, sql).await {
        Ok(started) => started,
        Err(error) => {
            let _ = columns_to.send(Err(error));
            return;
        }
    };
    let _ = columns_to.send(Ok(output::columns(&batches.schema())));
    if let Err(error) = send_rows(batches, &names, sources.limits.rows_max, lines_to).await {
        let _ = lines_to.send(Err(error)).await;
    }
}

async fn send_rows(
    mut batches: SendableRecordBatchStream,
    names: &Names,
    rows_max: u64,
    lines_to: &mpsc::Sender<Result<Bytes, SqlError>>,
) -> Result<(), SqlError> {
    let mut rows: u64 = 0;
    while let Some(batch) = batches.next().await {
        let batch = batch.map_err(|error| translate(&error, |name| names.locate(name)))?;
        if batch.num_rows() == 0 {
            continue;
        }
        rows += batch.num_rows() as u64;
        if rows > rows_max {
            let message = format!("the query has more than {rows_max} rows; narrow it, or add LIMIT");
            return Err(SqlError::new(SqlErrorKind::LimitExceeded, message));
        }
        let lines = output::json_lines(&batch).map_err(|error| failed("writing rows", &error))?;
        if lines_to.send(Ok(lines)).await.is_err() {
            return Ok(());
        }
    }
    Ok(())
}

async fn start(sources: &Sources, sql: &str) -> Result<(SendableRecordBatchStream, Names), SqlError> {
    match parse(sql)? {
        Request::ShowTables => Ok((fixed(&[("table_name", sources.tables().await?)])?, Names::default())),
        Request::Describe(table) => Ok((describe(sources, &table).await?, Names::default())),
        Request::Query(mut statement) => {
            let names = resolve_tables(&mut statement, &sources.tables().await?)?;
            let context = session(&sources.limits).map_err(|error| translate(&error, |_| None))?;
            let mut columns: Vec<String> = Vec::new();
            for table in &names.tables {
                let snapshot = sources.snapshot(table).await?;
                columns.extend(snapshot.schema.fields().iter().map(|field| field.name().clone()));
                let provider = StreamTable::new(snapshot, sources.limits.threads);
                context
                    .register_table(TableReference::bare(table.as_str()), Arc::new(provider))
                    .map_err(|error| translate(&error, |_| None))?;
            }
            names.resolve_columns(&mut statement, columns.iter().map(String::as_str))?;
            let translate = |error| translate(&error, |name| names.locate(name));
            let plan = context.state().statement_to_plan(*statement).await.map_err(&translate)?;
            read_only().verify_plan(&plan).map_err(|error| {
                let error = translate(error);
                SqlError { kind: SqlErrorKind::Refused, ..error }
            })?;
            let frame = context.execute_logical_plan(plan).await.map_err(&translate)?;
            let task_context = Arc::new(frame.task_ctx());
            let plan = frame.create_physical_plan().await.map_err(&translate)?;
            let batches = execute_stream(plan, task_context).map_err(&translate)?;
            Ok((batches, names))
        }
    }
}

async fn describe(sources: &Sources, table: &ObjectName) -> Result<SendableRecordBatchStream, SqlError> {
    let table = find_table(table, &sources.tables().await?)?;
    let schema = sources.snapshot(&table).await?.schema;
    let names = schema.fields().iter().map(|field| field.name().clone()).collect();
    let types = schema.fields().iter().map(|field| output::sql_type(field.data_type())).collect();
    fixed(&[("column_name", names), ("data_type", types)])
}

/// Rows that are known beforehand.
fn fixed(columns: &[(&str, Vec<String>)]) -> Result<SendableRecordBatchStream, SqlError> {
    let arrays = columns.iter().map(|(name, values)| {
        let array: ArrayRef = Arc::new(StringArray::from(values.clone()));
        (*name, array)
    });
    let batch = RecordBatch::try_from_iter(arrays).map_err(|error| failed("making rows", &error))?;
    let schema = batch.schema();
    let rows = stream::iter([Ok(batch)]).map(|batch: Result<_, SqlError>| batch.map_err(through));
    Ok(Box::pin(RecordBatchStreamAdapter::new(schema, rows)))
}
