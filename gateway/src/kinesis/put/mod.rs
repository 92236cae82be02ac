//! PutRecord and PutRecords: how records are read from a request and placed in the answer.

pub(crate) mod input;
pub(crate) mod scanner;
pub(crate) mod appended;
