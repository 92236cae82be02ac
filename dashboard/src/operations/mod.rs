//! What the pages about the server show: streams, shards, queries, deliveries, and rows of queries.

#[cfg(test)]
pub(crate) mod known_flows;
pub(crate) mod overview;
pub(crate) mod survey;
pub(crate) mod windows;
