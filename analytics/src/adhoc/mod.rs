//! Ad hoc SQL: every stream is a table, archived records and the live tail together, without any DDL.
//!
//! ```text
//! text -> statement (what may run) -> names (case, suggestions) -> snapshot (list, then tip) -> DataFusion -> JSON lines
//! ```
//!
//! The modules stand in reading order; [`engine`] on top puts them together.

pub mod limits;
pub mod object_name;

mod place;

mod error;

mod json_row;

mod column_kind;
mod decode;
mod fit;

mod archive_store;

pub mod archive_folder;
mod parquet_object;
mod sensor_tail;
mod tail;

mod schema_cache;
mod snapshot;
mod stream_table;

mod statement;

mod aliases;
mod spelling;

mod names;

mod capped_functions;
mod session;

mod output;

pub mod engine;
