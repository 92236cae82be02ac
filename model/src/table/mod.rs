//! Tables: rows under a partition key and a sort key.

pub mod decimal;
pub mod number;
pub mod value;

pub mod json;

pub mod store;

pub mod page;
