//! What the server tells of itself besides its figures: log lines, and traces.

pub(crate) mod logs;
pub(crate) mod spans;
pub(crate) mod traces;

mod export_client;
mod sender;
