//! Objects that sinks write: their lines, their bytes, and how they are put.

pub mod compressed;
pub mod json_line;
pub mod parquet;

pub mod put;

pub mod dead_letter;
