//! What the server counts of itself, for Prometheus at `/metrics`.
//!
//! ```text
//! gallop_http_*       requests by operation: a layer around the router
//! gallop_stream_*     records put, by stream: a wrapper around the stream store
//! gallop_delivery_*   what deliveries tell of themselves, asked at every scrape
//! gallop_query_*      runs of continuous queries
//! process_*           memory, CPU time and open files of the process
//! ```
//!
//! Labels are names from the settings, operations and streams: nothing that producers invent record by record, such as a
//! partition key, is ever one. Names follow Prometheus' rules; a test has Prometheus' own linter check them.

pub(crate) mod http;
pub(crate) mod registry;
pub(crate) mod streams;
