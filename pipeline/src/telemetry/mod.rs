//! What the server tells of itself besides its figures: log lines, and traces.

pub(crate) mod spans;
mod export_client;
mod sender;
pub(crate) mod traces;
pub(crate) mod logs;
