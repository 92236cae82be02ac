//! Queries and deliveries: where deliveries go, what both report, and why a query has written nothing.

pub mod destination;
pub mod report;

pub mod explain;
