//! Key-value tables behind [`model::table::store::TableStore`].

#[cfg(feature = "dynamodb")]
pub mod dynamodb;

mod key_bytes;

pub mod embedded;
