//! Queries and deliveries: what they report, and why a query has written nothing.

pub mod explain;
pub mod report;
