//! Settings: plain values, read once from a TOML file, `GALLOP_*` variables and flags, in that
//! order of rank from low to high. An unknown key is rejected with its line and the nearest key
//! that exists.
//!
//! Each table of the file has a file here, which says what the table holds and which values make no
//! sense. Modules stand in reading order.

pub(crate) mod text;
pub(crate) mod access;
pub(crate) mod server;
pub(crate) mod data;
pub(crate) mod stores;

pub(crate) mod file;
pub(crate) mod catalogue;
pub(crate) mod variables;
pub(crate) mod references;
pub(crate) mod effective;
#[cfg(all(test, feature = "dynamodb", feature = "kafka", feature = "s3"))]
mod pages;
#[cfg(test)]
mod reference;
