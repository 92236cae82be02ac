//! Records as rows: their keys and values, and what kinds of values a column has.

pub(crate) mod json_row;

pub(crate) mod column_kind;
