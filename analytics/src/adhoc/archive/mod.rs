//! The archive as SQL reads it: objects, what their names say, and the rows in them.

pub mod object_name;

mod store;

pub mod folder;

pub(crate) mod parquet;
