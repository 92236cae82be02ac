//! Ad hoc SQL: every stream is a table, archived records and the live tail together, without any DDL.
//!
//! ```text
//! text -> fence (what may run) -> names (case, suggestions) -> table (list, then tip) -> DataFusion -> batches
//! ```
//!
//! Modules stand in reading order; [`engine`] on top puts them together.

pub mod limits;

pub mod keeper;

pub mod archive;

mod tail;

mod table;

mod fence;

mod names;

mod answer;

pub mod engine;
