//! Settings: plain values, read once from a TOML file, `GALLOP_*` variables and flags, in that order of rank from
//! low to high. What is not known is refused with its line and the nearest name that is.
//!
//! One file a noun: each says what its table of the file holds and which values make no sense. Modules
//! stand in reading order.

pub(crate) mod error;
pub(crate) mod advice;
pub(crate) mod document;
pub(crate) mod lasting;
pub(crate) mod account;
pub(crate) mod browser;
pub(crate) mod connections;
pub(crate) mod credential;
pub(crate) mod dashboard;
pub(crate) mod encryption;
#[cfg(feature = "kafka")]
pub(crate) mod kafka;
pub(crate) mod kinesis;
pub(crate) mod query;
pub(crate) mod sensor;
pub(crate) mod stream;
pub(crate) mod table;
pub(crate) mod delivery;
pub(crate) mod telemetry;
pub(crate) mod tls;
#[cfg(any(feature = "dynamodb", feature = "s3"))]
pub(crate) mod aws;
#[cfg(feature = "dynamodb")]
pub(crate) mod dynamodb;
#[cfg(feature = "s3")]
pub(crate) mod s3;
#[cfg(not(all(feature = "dynamodb", feature = "kafka", feature = "s3")))]
pub(crate) mod left_out;
pub(crate) mod first_credential;
pub(crate) mod admission;
pub(crate) mod file;
pub(crate) mod catalogue;
pub(crate) mod variables;
pub(crate) mod exposure;
pub(crate) mod references;
pub(crate) mod effective;
#[cfg(all(test, feature = "dynamodb", feature = "kafka", feature = "s3"))]
mod pages;
#[cfg(test)]
mod reference;
