//! The bounds of a query, each with a name.

use std::time::Duration;

use model::query::engine::{SqlError, SqlErrorKind};
use serde::{Deserialize, Serialize};

/// What ad hoc queries may use.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct AdhocLimits {
    /// The longest text of a query.
    pub query_text_bytes_max: usize,
    /// Operators in a chain, or nested.
    pub operators_max: usize,
    /// Parts that set operations, joins and subqueries put together.
    pub parts_max: usize,
    /// Queries that run at the same time; later ones wait.
    pub queries_running_max: usize,
    /// How long a query waits for its turn.
    pub queue_wait_max: Duration,
    /// How long a query may take, from its turn to its last row.
    pub query_duration_max: Duration,
    /// How long a query in a process of its own waits for a reader that takes no rows.
    pub reader_wait_max: Duration,
    /// Memory of one query's sorts, joins and groups; over it they spill to disk, and what cannot spill fails.
    pub query_memory_bytes_max: usize,
    /// What one query may spill to the system's folder for temporary files.
    pub query_spill_bytes_max: u64,
    /// Rows that one query may return.
    pub rows_max: u64,
    /// Text or lists that one call of a growing function (`repeat`, `lpad`, `range`, ..) may make for one batch of rows.
    pub function_output_bytes_max: usize,
    /// Objects that one table may have.
    pub objects_max: usize,
    /// Different keys that the records of one table may have.
    pub columns_max: usize,
    /// The longest line of an object.
    pub line_bytes_max: usize,
    /// Objects whose columns are remembered; objects never change.
    pub schema_cache_objects_max: usize,
    /// Threads that queries share, and partitions of one query.
    pub threads: usize,
    /// Threads that queries share for reading files.
    pub blocking_threads_max: usize,
    /// Stack of each of these threads. What a text's operators need of it is bounded before it is read
    /// (`depth.rs`).
    pub stack_bytes: usize,
    /// Batches of finished rows that wait for a slow reader.
    pub batches_waiting_max: usize,
}

impl AdhocLimits {
    /// The answer to a query that waited for its turn for too long.
    pub(crate) fn too_many(&self) -> SqlError {
        let (queries, waited) = (self.queries_running_max, self.queue_wait_max.as_secs_f64());
        let message = format!("{queries} queries are running, which is the limit, and none ended within {waited} s");
        let suggestion = Some("try again later".to_owned());
        SqlError { suggestion, ..SqlError::new(SqlErrorKind::LimitExceeded, message) }
    }
}

impl Default for AdhocLimits {
    fn default() -> Self {
        let cores = std::thread::available_parallelism().map_or(2, usize::from);
        AdhocLimits {
            query_text_bytes_max: 256 << 10,
            operators_max: 3072,
            parts_max: 1024,
            queries_running_max: 4,
            queue_wait_max: Duration::from_secs(5),
            query_duration_max: Duration::from_secs(300),
            reader_wait_max: Duration::from_secs(5),
            query_memory_bytes_max: 512 << 20,
            query_spill_bytes_max: 8 << 30,
            rows_max: 10_000_000,
            function_output_bytes_max: 64 << 20,
            objects_max: 1_000_000,
            columns_max: 4096,
            line_bytes_max: 64 << 20,
            schema_cache_objects_max: 100_000,
            threads: cores.clamp(1, 16),
            blocking_threads_max: 8,
            stack_bytes: 64 << 20,
            batches_waiting_max: 4,
        }
    }
}
