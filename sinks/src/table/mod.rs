//! Key-value tables behind [`model::table::store::TableStore`].

#[cfg(feature = "dynamodb")]
pub mod dynamodb;
pub mod embedded;

pub(crate) mod decimal;
mod key_bytes;
