//! How a query is answered: planned, run on a task of its own, and read batch by batch.

mod sql_type;

mod plan;

pub(crate) mod task;
