//! Ad hoc SQL.

pub mod engine;

#[cfg(feature = "json-rows")]
pub mod json_lines;
