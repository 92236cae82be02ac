//! What the server tells of itself besides its figures: log lines.

pub(crate) mod logs;
