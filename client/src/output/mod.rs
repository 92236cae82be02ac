//! What comes in as lines and goes out as rows.

pub mod line_reader;
pub mod row_printer;
pub mod receipt;
