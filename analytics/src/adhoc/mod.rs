//! Ad hoc SQL: every stream is a table, archived records and the live tail together, without any DDL.
//!
//! ```text
//! text -> statement (what may run) -> names (case, suggestions) -> snapshot (list, then tip) -> DataFusion -> JSON lines
//! ```
//!
//! The modules stand in reading order; [`engine`] on top puts them together.

pub mod limits;
pub mod object_name;

mod archive_folder;
mod capped_functions;
mod column_kind;
mod decode;
mod error;
mod json_row;
mod names;
mod output;
mod schema_cache;
mod session;
mod snapshot;
mod statement;
mod stream_table;
mod tail;

pub mod engine;
