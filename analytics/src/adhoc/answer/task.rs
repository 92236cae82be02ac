//! A query on a task of its own, and the reading end of its rows. Whoever drops the reading end ends the task.

use std::time::Duration;

use datafusion::arrow::array::RecordBatch;
use datafusion::arrow::datatypes::SchemaRef;
use datafusion::execution::SendableRecordBatchStream;
use futures::StreamExt;
use model::query::engine::{SqlError, SqlErrorKind};
use tokio::runtime::Handle;
use tokio::sync::{OwnedSemaphorePermit, mpsc, oneshot};
use tokio::time::Instant;
use tokio_util::task::AbortOnDropHandle;

use crate::adhoc::answer::plan::Plan;
use crate::adhoc::names::resolve::Names;
use crate::adhoc::table::snapshot::Sources;
use crate::error::translate;

/// A query's turn: it may run until the deadline.
pub(crate) struct Turn {
    pub(crate) permit: OwnedSemaphorePermit,
    pub(crate) deadline: Instant,
    /// How long that is from the beginning of the turn.
    pub(crate) duration_max: Duration,
}

/// Plans on `runtime` and gives the columns.
pub(crate) async fn describe(
    runtime: &Handle,
    sources: Sources,
    sql: String,
    turn: Turn,
) -> Result<SchemaRef, SqlError> {
    let Turn { permit, deadline, duration_max } = turn;
    let task = AbortOnDropHandle::new(runtime.spawn(async move {
        let _permit = permit;
        Plan::new(&sources, &sql).await.map(|plan| plan.schema())
    }));
    match tokio::time::timeout_at(deadline, task).await {
        Ok(Ok(schema)) => schema,
        Ok(Err(_)) => Err(crashed()),
        Err(_) => Err(too_long(duration_max)),
    }
}

/// The reading end of a query.
pub(crate) struct Running {
    task: AbortOnDropHandle<()>,
    batches: mpsc::Receiver<Result<RecordBatch, SqlError>>,
    deadline: Instant,
    duration_max: Duration,
    ended: bool,
}

impl Running {
    /// Plans and starts a query on `runtime`; returns once its columns are known.
    pub(crate) async fn start(
        runtime: &Handle,
        sources: Sources,
        sql: String,
        turn: Turn,
    ) -> Result<(SchemaRef, Running), SqlError> {
        let (schema_to, schema) = oneshot::channel();
        let (batches_to, batches) = mpsc::channel(sources.limits.batches_waiting_max);
        let Turn { permit, deadline, duration_max } = turn;
        let task = AbortOnDropHandle::new(runtime.spawn(async move {
            let _permit = permit;
            run(sources, &sql, schema_to, &batches_to).await;
        }));
        let mut running = Running { task, batches, deadline, duration_max, ended: false };
        match tokio::time::timeout_at(deadline, schema).await {
            Ok(Ok(schema)) => Ok((schema?, running)),
            Ok(Err(_)) => {
                let _ = (&mut running.task).await;
                Err(crashed())
            }
            Err(_) => Err(running.too_long()),
        }
    }

    /// The next rows; none after the last one, and after an error.
    pub(crate) async fn next(&mut self) -> Option<Result<RecordBatch, SqlError>> {
        if self.ended {
            return None;
        }
        let next = match tokio::time::timeout_at(self.deadline, self.batches.recv()).await {
            Ok(Some(next)) => Some(next),
            Ok(None) => match (&mut self.task).await {
                Ok(()) => None,
                Err(_) => Some(Err(crashed())),
            },
            Err(_) => Some(Err(self.too_long())),
        };
        self.ended = !matches!(next, Some(Ok(_)));
        next
    }

    fn too_long(&self) -> SqlError {
        self.task.abort();
        too_long(self.duration_max)
    }
}

fn too_long(duration_max: Duration) -> SqlError {
    let message = format!("the query took longer than {} s", duration_max.as_secs_f64());
    SqlError::new(SqlErrorKind::LimitExceeded, message)
}

fn crashed() -> SqlError {
    SqlError::new(SqlErrorKind::Failed, "the query crashed; this is a bug of the engine, not of the query")
}

/// What the task does: plan, tell the columns, send the rows.
async fn run(
    sources: Sources,
    sql: &str,
    schema_to: oneshot::Sender<Result<SchemaRef, SqlError>>,
    batches_to: &mpsc::Sender<Result<RecordBatch, SqlError>>,
) {
    let started = async { Plan::new(&sources, sql).await?.run().await };
    let (batches, names) = match started.await {
        Ok(started) => started,
        Err(error) => {
            let _ = schema_to.send(Err(error));
            return;
        }
    };
    let _ = schema_to.send(Ok(batches.schema()));
    if let Err(error) = send_rows(batches, &names, sources.limits.rows_max, batches_to).await {
        let _ = batches_to.send(Err(error)).await;
    }
}

async fn send_rows(
    mut batches: SendableRecordBatchStream,
    names: &Names,
    rows_max: u64,
    batches_to: &mpsc::Sender<Result<RecordBatch, SqlError>>,
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
        if batches_to.send(Ok(batch)).await.is_err() {
            return Ok(());
        }
    }
    Ok(())
}
