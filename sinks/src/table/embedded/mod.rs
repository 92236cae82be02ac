//! Tables in one file of this process.

mod bounds;
mod failure;
mod file;
mod rows;

pub mod store;
pub mod summary;
