//! What every engine of SQL promises of its answers.

use arrow_schema::Schema;
use futures::StreamExt;

use crate::query::engine::SqlEngine;

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
