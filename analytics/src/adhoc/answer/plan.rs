//! From text to a plan: what may run, which tables it reads as they are now, and how each name is spelt.

use std::sync::Arc;

use datafusion::arrow::array::{ArrayRef, RecordBatch, StringArray};
use datafusion::arrow::datatypes::SchemaRef;
use datafusion::common::TableReference;
use datafusion::dataframe::DataFrame;
use datafusion::execution::SendableRecordBatchStream;
use datafusion::physical_plan::execute_stream;
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::sql::parser::Statement;
use datafusion::sql::sqlparser::ast::ObjectName;
use futures::stream;
use model::query::engine::{SqlError, SqlErrorKind};

use crate::adhoc::answer::sql_type::sql_type;
use crate::adhoc::fence::session::{read_only, session};
use crate::adhoc::fence::statement::{Request, parse};
use crate::adhoc::names::resolve::{Found, Missing, Names, ambiguous, find_table, resolve_tables, written};
use crate::adhoc::table::snapshot::Sources;
use crate::adhoc::table::stream_table::StreamTable;
use crate::error::{failed, translate};

/// A query that is ready to run.
pub(crate) struct Plan {
    rows: Rows,
    names: Names,
}

enum Rows {
    /// They are known without running anything.
    Known(RecordBatch),
    /// The plan finds them.
    Found(Box<DataFrame>),
}

impl Plan {
    /// Plans the query in `sql`.
    pub(crate) async fn new(sources: &Sources, sql: &str) -> Result<Plan, SqlError> {
        let known = |batch| Plan { rows: Rows::Known(batch), names: Names::default() };
        match parse(sql, &sources.limits)? {
            Request::ShowTables => Ok(known(texts(&[("table_name", sources.readable_tables().await?)])?)),
            Request::Describe(table) => Ok(known(describe(sources, &table).await?)),
            Request::Query(statement) => Plan::of_query(sources, *statement).await,
        }
    }

    async fn of_query(sources: &Sources, mut statement: Statement) -> Result<Plan, SqlError> {
        let names = match resolve_tables(&mut statement, &sources.tables().await?) {
            Ok(names) => names,
            Err(missing) => return Err(told(sources, missing).await),
        };
        let context = session(&sources.limits).map_err(|error| translate(&error, |_| None))?;
        let mut columns: Vec<String> = Vec::new();
        for (table, written) in &names.tables {
            let snapshot = match sources.snapshot(table, written).await {
                // Without the table the name means the part, or nothing: as if the table did not
                // exist.
                Err(error) if error.kind == SqlErrorKind::Denied && names.is_part(written) => continue,
                snapshot => snapshot?,
            };
            columns.extend(snapshot.schema.fields().iter().map(|field| field.name().clone()));
            let provider = StreamTable::new(snapshot, sources.limits.threads);
            context
                .register_table(TableReference::bare(table.as_str()), Arc::new(provider))
                .map_err(|error| translate(&error, |_| None))?;
        }
        names.resolve_columns(&mut statement, columns.iter().map(String::as_str))?;
        let translate = |error| translate(&error, |name| names.locate(name));
        let plan = context.state().statement_to_plan(statement).await.map_err(translate)?;
        read_only().verify_plan(&plan).map_err(|error| SqlError { kind: SqlErrorKind::Refused, ..translate(error) })?;
        let frame = context.execute_logical_plan(plan).await.map_err(translate)?;
        Ok(Plan { rows: Rows::Found(Box::new(frame)), names })
    }

    /// The columns of its rows.
    pub(crate) fn schema(&self) -> SchemaRef {
        match &self.rows {
            Rows::Known(batch) => batch.schema(),
            Rows::Found(frame) => Arc::clone(frame.schema().inner()),
        }
    }

    /// Starts it. Errors among the rows are translated with [`Names::locate`] of the names beside them.
    pub(crate) async fn run(self) -> Result<(SendableRecordBatchStream, Names), SqlError> {
        let names = self.names;
        let frame = match self.rows {
            Rows::Known(batch) => {
                let schema = batch.schema();
                let rows = RecordBatchStreamAdapter::new(schema, stream::iter([Ok(batch)]));
                return Ok((Box::pin(rows), names));
            }
            Rows::Found(frame) => frame,
        };
        let translate = |error| translate(&error, |name| names.locate(name));
        let task_context = Arc::new(frame.task_ctx());
        let plan = frame.create_physical_plan().await.map_err(translate)?;
        let batches = execute_stream(plan, task_context).map_err(translate)?;
        Ok((batches, names))
    }
}

/// Why a table is not found, as it may be told to whoever asks: a table that they may not read
/// stands in no suggestion, and is answered as one that does not exist.
async fn told(sources: &Sources, missing: Missing) -> SqlError {
    let Missing { name: Some(name), error } = missing else { return missing.error };
    if !sources.readable.is_limited() {
        return error;
    }
    if let Err(denied) = sources.readable.check(&written(&name)).await {
        return denied.into();
    }
    match sources.readable_tables().await {
        Ok(readable) => match find_table(&name, &readable) {
            Err(missing) => missing.error,
            // Only together with a table that may not be read is the name ambiguous.
            Ok(_) => ambiguous(&name, None),
        },
        Err(error) => error,
    }
}

/// The columns of one table, as rows.
async fn describe(sources: &Sources, table: &ObjectName) -> Result<RecordBatch, SqlError> {
    let Found { table, written } = match find_table(table, &sources.tables().await?) {
        Ok(found) => found,
        Err(missing) => return Err(told(sources, missing).await),
    };
    let schema = sources.snapshot(&table, &written).await?.schema;
    let names = schema.fields().iter().map(|field| field.name().clone()).collect();
    let types = schema.fields().iter().map(|field| sql_type(field.data_type())).collect();
    texts(&[("column_name", names), ("data_type", types)])
}

/// Columns of text.
fn texts(columns: &[(&str, Vec<String>)]) -> Result<RecordBatch, SqlError> {
    let arrays = columns.iter().map(|(name, values)| {
        let array: ArrayRef = Arc::new(StringArray::from(values.clone()));
        (*name, array)
    });
    RecordBatch::try_from_iter(arrays).map_err(|error| failed("making rows", &error))
}
