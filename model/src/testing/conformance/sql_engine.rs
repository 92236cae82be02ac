//! What every engine of SQL promises of its answers.

use std::sync::Arc;

use arrow_schema::Schema;
use async_trait::async_trait;
use futures::StreamExt;

use crate::query::engine::{SqlEngine, SqlErrorKind};
use crate::stream::access::{AccessError, Readable, StreamAccess};

/// Somebody who may read nothing.
struct Nobody;

#[async_trait]
impl StreamAccess for Nobody {
    async fn check(&self, stream: &str) -> Result<(), AccessError> {
        Err(AccessError::Denied(format!("not `{stream}`")))
    }
}

/// Checks an engine with a query that it answers with at least one row, and with one that it rejects.
///
/// # Panics
///
/// Where a promise is not kept.
pub async fn sql_engine(engine: &dyn SqlEngine, answered: &str, rejected: &str) {
    let columns = |schema: &Schema| -> Vec<_> {
        schema.fields().iter().map(|field| (field.name().clone(), field.data_type().clone())).collect()
    };
    let described = engine.describe(answered).await.expect("a described query");
    let mut rows = engine.query(answered).await.expect("a query");
    assert_eq!(columns(&rows.schema), columns(&described), "a query has the columns that were described");
    let mut count = 0;
    while let Some(batch) = rows.batches.next().await {
        let batch = batch.expect("rows");
        assert_eq!(columns(&batch.schema()), columns(&described), "every batch has the columns of its query");
        count += batch.num_rows();
    }
    assert!(count > 0, "the query has rows");
    assert!(rows.batches.next().await.is_none(), "the end stays the end");

    let refused = engine.query(rejected).await.err().expect("an error");
    assert_eq!(engine.describe(rejected).await.err(), Some(refused), "describing finds the same error as running");
}

/// Checks an engine with queries that read the stream `stream`: whoever may not read it gets no row
/// and no column.
///
/// # Panics
///
/// Where a promise is not kept.
pub async fn sql_engine_keeps_closed(engine: &dyn SqlEngine, stream: &str, queries: &[&str]) {
    let nobody = Readable::Only(Arc::new(Nobody));
    for query in queries {
        let refused = engine.query_within(query, &nobody).await.err().expect(query);
        // As the query writes it.
        let why = refused.message.to_lowercase();
        assert_eq!((refused.kind, why), (SqlErrorKind::Denied, format!("not `{stream}`")), "{query}");
        assert_eq!(engine.describe_within(query, &nobody).await.err(), Some(refused), "{query}");
        let rows = engine.query(query).await.expect(query).batches.collect::<Vec<_>>().await;
        assert!(rows.iter().all(Result::is_ok), "{query}: whoever may, still reads");
    }
}
