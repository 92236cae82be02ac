//! How the server itself works: connections, quotas, SQL, its page, traces.

pub(crate) mod connections;
pub(crate) mod kinesis;
pub(crate) mod sql;
pub(crate) mod dashboard;
pub(crate) mod telemetry;
