//! Delivery streams, key-value tables, object archive.

#![cfg_attr(test, allow(clippy::unwrap_used))]

pub mod archive;
pub mod table;
