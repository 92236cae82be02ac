//! SQL whose answers are fixed, for tests of those that ask.

use std::sync::Arc;

use arrow_array::{ArrayRef, Int64Array, RecordBatch};
use arrow_schema::{DataType, Field, Schema, SchemaRef};
use async_trait::async_trait;
use futures::StreamExt;
use futures::stream;

use crate::query::engine::{Location, SqlEngine, SqlError, SqlErrorKind, SqlRows};
use crate::stream::access::Readable;

/// Answers `rows` with two rows, `rows of NAME` too if the stream may be read, `late` with one and
/// an error, `early` with an error before the first row, and rejects everything else.
#[derive(Debug, Clone, Copy, Default)]
pub struct CannedSql;

#[async_trait]
impl SqlEngine for CannedSql {
    async fn query_within(&self, sql: &str, readable: &Readable) -> Result<SqlRows, SqlError> {
        let schema = self.describe_within(sql, readable).await?;
        let row = |n: i64| {
            let column: ArrayRef = Arc::new(Int64Array::from(vec![n]));
            Ok(RecordBatch::try_new(Arc::clone(&schema), vec![column]).expect("a column of the schema's type"))
        };
        let out_of_time = || Err(SqlError::new(SqlErrorKind::LimitExceeded, "out of time"));
        let batches = match sql {
            "late" => vec![row(1), out_of_time()],
            "early" => vec![out_of_time()],
            _ => vec![row(1), row(2)],
        };
        Ok(SqlRows { schema, batches: stream::iter(batches).boxed() })
    }

    async fn describe_within(&self, sql: &str, readable: &Readable) -> Result<SchemaRef, SqlError> {
        let stream = sql.strip_prefix("rows of ");
        if let Some(stream) = stream {
            readable.check(stream).await?;
        }
        if stream.is_some() || matches!(sql, "rows" | "late" | "early") {
            return Ok(Arc::new(Schema::new(vec![Field::new("n", DataType::Int64, true)])));
        }
        Err(SqlError {
            location: Some(Location { line: 1, column: 8 }),
            suggestion: Some("did you mean `rows`?".to_owned()),
            ..SqlError::new(SqlErrorKind::Invalid, "no such query")
        })
    }
}
