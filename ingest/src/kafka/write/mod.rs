//! The write side: appends by one idempotent producer, commits by one transactional producer a consumer.

pub(crate) mod outgoing;
pub(crate) mod appender;
pub(crate) mod fenced;
pub(crate) mod checkpoints;
pub(crate) mod puts;
pub(crate) mod committer;
