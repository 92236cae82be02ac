//! Sensor datagrams: received, stored, turned into columns.

pub(crate) mod columns;
pub(crate) mod store;
mod ways;
pub(crate) mod reception;
