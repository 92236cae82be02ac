//! Tables in one file of this process.

mod bounds;
mod failure;
mod rows;

pub mod store;
