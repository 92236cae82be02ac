//! Tables in one file of this process.

mod failure;
mod recover;
mod file;
mod item_bytes;

mod rows;

mod bounds;

pub mod store;

pub mod summary;
