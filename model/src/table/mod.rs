//! Tables: rows under a partition key and a sort key.

pub mod store;
