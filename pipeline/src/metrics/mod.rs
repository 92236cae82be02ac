//! What the server counts of itself, for Prometheus at `/metrics`.
//!
//! ```text
//! gallop_http_*       requests by operation: a layer around the router
//! gallop_stream_*     what is put, committed and read, by stream: a wrapper around the stream store
//! gallop_table_*      calls of the tables' backend: a wrapper
//! gallop_archive_*    calls of the archive's backend: a wrapper
//! gallop_log_*        writes and syncs: a wrapper around the log's disk; the log itself, asked at every scrape
//! gallop_query_*      what the supervisor reports of continuous queries, asked at every scrape
//! gallop_delivery_*   what it reports of deliveries, asked at every scrape
//! gallop_task_*       what it reports of the server's own tasks, asked at every scrape
//! gallop_sql_*        ad hoc queries and their processes, asked at every scrape
//! gallop_disk_*       room on the disk, asked at every scrape
//! process_*           memory, CPU time and open files of the process
//! ```
//!
//! Labels are names from the settings, operations and streams: nothing that producers invent record by record, such as a
//! partition key, is ever one, and streams beyond a bound share a label. Names follow Prometheus' rules; a test has
//! Prometheus' own linter check them, and another holds `docs/METRICS.md` to the families made here.

pub(crate) mod registry;

pub(crate) mod archive;
pub(crate) mod figures;
pub(crate) mod disk;
mod http;
pub(crate) mod stream_meters;
pub(crate) mod streams;
pub(crate) mod tables;

mod deliveries;
mod families;
mod log;
mod queries;
mod room;
mod sensors;
mod sql;
mod tasks;
