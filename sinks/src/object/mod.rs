//! Objects that sinks write: their names, their lines, their bytes.

pub mod compressed;
pub mod json_line;

pub mod dead_letter;
pub mod name;
pub mod parquet;

pub mod put;
