//! Implementations of [`model::table::store::TableStore`]: redb and DynamoDB.

#[cfg(feature = "dynamodb")]
pub mod dynamodb;

mod key_bytes;

pub mod embedded;
