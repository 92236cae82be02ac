//! GetRecords: where a reader is, and what it gets.

pub(crate) mod iterator;
pub(crate) mod position;
pub(crate) mod records;
pub(crate) mod bulk;
pub(crate) mod answer_memory;
pub(crate) mod reading;
