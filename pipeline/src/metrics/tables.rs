//! Counts what passes through the seam of tables.

use std::sync::Arc;
use std::time::Instant;

use async_trait::async_trait;
use model::name::TableName;
use model::table::store::{ItemKey, Page, PutCondition, Query, TableError, TableSchema, TableStore, VersionedItem};
use prometheus::{HistogramVec, IntCounterVec};
use tracing::Instrument;

use super::families::Families;
use crate::telemetry::spans;

/// Figures of tables.
#[derive(Debug)]
pub(crate) struct TableMeters {
    puts: IntCounterVec,
    put_items: IntCounterVec,
    read_items: IntCounterVec,
    seconds: HistogramVec,
    failures: IntCounterVec,
}

impl TableMeters {
    pub(crate) fn new(families: &mut Families) -> Self {
        TableMeters {
            puts: families.counter("gallop_table_puts_total", &["table"], "Batches of items that were put."),
            put_items: families.counter(
                "gallop_table_put_items_total",
                &["table"],
                "Items in those batches; an item that is put again counts again.",
            ),
            read_items: families.counter("gallop_table_read_items_total", &["table"], "Items that were read."),
            seconds: families.seconds(
                "gallop_table_request_duration_seconds",
                &["operation"],
                "Latency of the table's backend.",
            ),
            failures: families.counter(
                "gallop_table_failures_total",
                &["table", "operation"],
                "Calls that failed or did not reach the backend; deliveries retry them.",
            ),
        }
    }
}

/// Tables whose calls are counted.
pub(crate) struct CountedTables {
    inner: Arc<dyn TableStore>,
    meters: Arc<TableMeters>,
}

impl CountedTables {
    pub(crate) fn new(inner: Arc<dyn TableStore>, meters: Arc<TableMeters>) -> Self {
        CountedTables { inner, meters }
    }

    async fn timed<T>(
        &self,
        table: &TableName,
        operation: &'static str,
        call: impl Future<Output = Result<T, TableError>>,
    ) -> Result<T, TableError> {
        let begin = Instant::now();
        let span = spans::table(operation, table);
        let result = call.instrument(span.clone()).await;
        spans::note(&span, &result);
        self.meters.seconds.with_label_values(&[operation]).observe(begin.elapsed().as_secs_f64());
        if let Err(TableError::Unavailable { .. } | TableError::Backend { .. }) = &result {
            self.meters.failures.with_label_values(&[table.as_str(), operation]).inc();
        }
        result
    }

    fn put_done(&self, table: &TableName, items: usize) {
        self.meters.puts.with_label_values(&[table.as_str()]).inc();
        self.meters.put_items.with_label_values(&[table.as_str()]).inc_by(items as u64);
    }

    fn read_done(&self, table: &TableName, items: usize) {
        self.meters.read_items.with_label_values(&[table.as_str()]).inc_by(items as u64);
    }
}

#[deny(clippy::missing_trait_methods)]
#[async_trait]
impl TableStore for CountedTables {
    async fn create(&self, schema: TableSchema) -> Result<(), TableError> {
        self.inner.create(schema).await
    }

    async fn list(&self) -> Result<Vec<TableSchema>, TableError> {
        self.inner.list().await
    }

    async fn describe(&self, table: &TableName) -> Result<TableSchema, TableError> {
        self.inner.describe(table).await
    }

    async fn drop_table(&self, table: &TableName) -> Result<(), TableError> {
        self.inner.drop_table(table).await
    }

    fn check_item(&self, schema: &TableSchema, item: &VersionedItem) -> Result<(), TableError> {
        self.inner.check_item(schema, item)
    }

    async fn put(&self, table: &TableName, items: Vec<VersionedItem>) -> Result<(), TableError> {
        let count = items.len();
        self.timed(table, "put", self.inner.put(table, items)).await?;
        self.put_done(table, count);
        Ok(())
    }

    async fn put_if(
        &self,
        table: &TableName,
        item: VersionedItem,
        condition: PutCondition,
    ) -> Result<bool, TableError> {
        let written = self.timed(table, "put", self.inner.put_if(table, item, condition)).await?;
        self.put_done(table, usize::from(written));
        Ok(written)
    }

    async fn get(&self, table: &TableName, key: &ItemKey) -> Result<Option<VersionedItem>, TableError> {
        let item = self.timed(table, "get", self.inner.get(table, key)).await?;
        self.read_done(table, usize::from(item.is_some()));
        Ok(item)
    }

    async fn query(&self, table: &TableName, query: Query) -> Result<Page, TableError> {
        let page = self.timed(table, "query", self.inner.query(table, query)).await?;
        self.read_done(table, page.items.len());
        Ok(page)
    }

    async fn scan(&self, table: &TableName, after: Option<ItemKey>, limit: usize) -> Result<Page, TableError> {
        let page = self.timed(table, "scan", self.inner.scan(table, after, limit)).await?;
        self.read_done(table, page.items.len());
        Ok(page)
    }

    async fn delete(&self, table: &TableName, keys: Vec<ItemKey>) -> Result<(), TableError> {
        self.timed(table, "delete", self.inner.delete(table, keys)).await
    }
}
