//! Queries and deliveries: what is asked for, how each worker lives, what it reports, and why a query has written
//! nothing.

pub mod incident;
pub mod state;
pub mod destination;
pub mod spec;
pub mod report;
pub mod explain;
pub mod admin;
