//! The archive as SQL reads it: objects and the rows in them.

mod store;

pub mod folder;

pub(crate) mod parquet;
