//! What the server holds and runs: streams, sensor ports, tables, queries, deliveries.

pub(crate) mod stream;
pub(crate) mod sensor;
pub(crate) mod query;
pub(crate) mod table;
pub(crate) mod delivery;
