//! The seam of ad hoc queries: SQL in, typed batches of rows out.
//!
//! Rows are Arrow, which has a type and a name for every column before the first row. Whoever
//! answers clients writes them in its own form: JSON lines ([`super::json_lines`]), or what another
//! protocol wants.

use std::fmt;

use arrow_array::RecordBatch;
use arrow_schema::SchemaRef;
use async_trait::async_trait;
use futures::stream::BoxStream;

use crate::stream::access::{AccessError, Readable};

/// A running query. Dropping it cancels the query.
pub struct SqlRows {
    /// The columns: names and types.
    pub schema: SchemaRef,
    /// The rows, in batches of these columns. The first error ends them.
    pub batches: BoxStream<'static, Result<RecordBatch, SqlError>>,
}

/// A place in the query's text, both counted from 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Location {
    /// Line.
    pub line: u64,
    /// Column, in characters.
    pub column: u64,
}

/// Which kind of failure it was: what a front door turns into a status.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SqlErrorKind {
    /// The query is wrong: syntax, names, types.
    Invalid,
    /// The query is refused: it would write, or use what is fenced off.
    Refused,
    /// Whoever asks may not read a table of the query.
    Denied,
    /// A bound was hit: time, memory, rows.
    LimitExceeded,
    /// The data could not be read or the engine failed.
    Failed,
}

/// What went wrong with a query, where, and what to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SqlError {
    /// Which kind.
    pub kind: SqlErrorKind,
    /// What and why, as a fragment.
    pub message: String,
    /// Where in the text, when it is known.
    pub location: Option<Location>,
    /// What to write instead, when it can be guessed.
    pub suggestion: Option<String>,
}

impl SqlError {
    /// An error without a place or a suggestion.
    pub fn new(kind: SqlErrorKind, message: impl Into<String>) -> Self {
        SqlError { kind, message: message.into(), location: None, suggestion: None }
    }
}

impl fmt::Display for SqlError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(Location { line, column }) = self.location {
            write!(f, "line {line}, column {column}: ")?;
        }
        f.write_str(&self.message)?;
        match &self.suggestion {
            Some(suggestion) => write!(f, "; {suggestion}"),
            None => Ok(()),
        }
    }
}

impl std::error::Error for SqlError {}

impl From<AccessError> for SqlError {
    fn from(error: AccessError) -> Self {
        let kind = match &error {
            AccessError::Denied(_) => SqlErrorKind::Denied,
            AccessError::Unknown(_) => SqlErrorKind::Failed,
        };
        SqlError::new(kind, error.to_string())
    }
}

/// Answers read-only queries over streams: one table a stream, archive and live tail together.
///
/// ```
/// # use futures::TryStreamExt;
/// # use model::query::engine::SqlEngine;
/// # use model::testing::canned_sql::CannedSql;
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let engine = CannedSql;
/// // This engine is for tests: it knows a query named `rows`.
/// let rows = engine.query("rows").await?;
/// // Columns are known before the first row.
/// assert_eq!(rows.schema.field(0).name(), "n");
/// let batches: Vec<_> = rows.batches.try_collect().await?;
/// assert_eq!(batches.iter().map(|batch| batch.num_rows()).sum::<usize>(), 2);
///
/// // An error says where, and what to write instead if that can be guessed.
/// let error = engine.describe("row").await.expect_err("no such query");
/// assert_eq!(error.to_string(), "line 1, column 8: no such query; did you mean `rows`?");
/// # Ok(())
/// # }
/// ```
#[async_trait]
pub trait SqlEngine: Send + Sync {
    /// Plans and starts one query of somebody who may read the streams `readable`. The columns are
    /// known when it returns. Nothing is told of other streams: a query that names one is answered
    /// with [`SqlErrorKind::Denied`], and no list or suggestion has their names or columns.
    async fn query_within(&self, sql: &str, readable: &Readable) -> Result<SqlRows, SqlError>;

    /// The columns that [`SqlEngine::query_within`] would answer with. Plans the query and does not
    /// run it.
    async fn describe_within(&self, sql: &str, readable: &Readable) -> Result<SchemaRef, SqlError>;

    /// [`SqlEngine::query_within`] of somebody who may read everything.
    async fn query(&self, sql: &str) -> Result<SqlRows, SqlError> {
        self.query_within(sql, &Readable::Everything).await
    }

    /// [`SqlEngine::describe_within`] of somebody who may read everything.
    async fn describe(&self, sql: &str) -> Result<SchemaRef, SqlError> {
        self.describe_within(sql, &Readable::Everything).await
    }
}
