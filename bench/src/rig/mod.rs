//! What measurements share: the server that is measured, a client that costs little, and the report.

pub(crate) mod process;
pub(crate) mod report;
pub(crate) mod program;
pub(crate) mod sign;
pub(crate) mod http;
pub(crate) mod sql;
pub(crate) mod server;
pub(crate) mod load;
pub(crate) mod pace;
pub(crate) mod page;
pub(crate) mod subscription;
pub(crate) mod log;
