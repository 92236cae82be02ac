//! Delivery streams, key-value tables, object archive.
//!
//! ```text
//! stream ──▶ buffer ──▶ cuts ──▶ sink ──▶ table, or objects in an archive
//!               positions and promised cuts ──▶ checkpoint in the stream
//! ```
//!
//! [`delivery::stream::DeliveryStream`] joins a stream to a [`delivery::sink::Sink`]: it buffers, retries,
//! keeps the checkpoint and reports its status. What a sink writes depends only on a [`delivery::cut::Cut`],
//! a range of one shard's records. So a crash at any moment leaves nothing missing and nothing
//! twice.

#![cfg_attr(test, allow(clippy::unwrap_used))]

#[cfg(feature = "aws")]
pub mod aws;

pub mod table;

pub mod archive;

pub mod delivery;

pub mod object;

pub mod destination;

#[cfg(any(test, feature = "testing"))]
pub mod testing;
