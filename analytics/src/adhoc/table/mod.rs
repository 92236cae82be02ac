//! A table: what it consists of when a query starts, its columns, and its rows.

mod decode;

pub(crate) mod schema_cache;

pub(crate) mod snapshot;

pub(crate) mod stream_table;
