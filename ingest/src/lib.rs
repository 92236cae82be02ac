//! Streams: the durable shard log.
//!
//! [`log::store::LogStore`] keeps streams in a folder; `testing` holds a disk that loses power.

pub mod log;
pub mod testing;
