//! Tables in DynamoDB, or in any server with its API.
//!
//! ```text
//! put, ordinary table    PutItem per item, if no newer version is there     many at once
//! put, final rows        BatchWriteItem, 25 items a call                    what is left unprocessed again
//! query, scan            Query, Scan; strongly consistent; over as many answers as a page needs
//! ```
//!
//! A put that times out may still arrive later. The condition on the version is what keeps it from
//! replacing something newer; a table whose rows are final (every key is always put with the same
//! value) needs none and is written in batches.
//!
//! Calls that fail in passing are tried again, with doubling and jittered waits and a bound, every
//! item or batch for itself; then the error goes up, and the delivery goes on trying until the
//! stream's retention ends.

mod attribute;
mod error;
mod keys;
mod options;
mod read;
mod shape;
mod store;
mod write;

pub use options::{DynamoOptions, DynamoTableOptions};
pub use store::DynamoTables;
