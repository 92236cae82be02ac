//! One suite per seam: what every backend promises, checked the same way. Each takes an empty backend.

mod archive;
mod backend;
mod sql_engine;
mod stream_store;
mod table_store;

pub use archive::archive;
pub use backend::Backend;
pub use sql_engine::{sql_engine, sql_engine_keeps_closed};
pub use stream_store::{stream_store, stream_store_of};
pub use table_store::table_store;

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use crate::clock::Timestamp;
    use crate::testing::canned_sql::CannedSql;
    use crate::testing::clock::ManualClock;
    use crate::testing::{memory_archive::MemoryArchive, memory_store::MemoryStore, memory_table::MemoryTables};

    #[tokio::test]
    async fn the_memory_store_keeps_the_promises() {
        let clock = Arc::new(ManualClock::new(Timestamp::from_millis(1_700_000_000_000)));
        super::stream_store(Arc::new(MemoryStore::new(clock.clone())), &clock).await;
    }

    #[tokio::test]
    async fn memory_tables_keep_the_promises() {
        super::table_store(&MemoryTables::default()).await;
    }

    #[tokio::test]
    async fn the_memory_archive_keeps_the_promises() {
        super::archive(&MemoryArchive::default()).await;
    }

    #[tokio::test]
    async fn canned_sql_keeps_the_promises() {
        super::sql_engine(&CannedSql, "rows", "else").await;
        super::sql_engine_keeps_closed(&CannedSql, "rides", &["rows of rides"]).await;
    }
}
