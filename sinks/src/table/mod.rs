//! Key-value tables behind [`model::table::TableStore`].

pub mod dynamodb;
pub mod embedded;

pub(crate) mod decimal;
mod key_bytes;
