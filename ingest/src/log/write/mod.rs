//! The write side: callers route and encode, one writer a stream numbers, writes and syncs.

pub(crate) mod batch;
pub(crate) mod queue;
pub(crate) mod draft;
pub(crate) mod writer;
pub(crate) mod numbering;
pub(crate) mod roll;
pub(crate) mod changes;
pub(crate) mod runner;
pub(crate) mod append;
pub(crate) mod run;
pub(crate) mod compact;
