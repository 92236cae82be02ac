//! Our REST API: tables to read, streams to see, SQL to ask, health to watch.

pub(crate) mod access;
pub(crate) mod body;
pub(crate) mod description;
pub(crate) mod error;
pub(crate) mod flows;
pub(crate) mod health;
pub(crate) mod host;
pub(crate) mod metrics;
pub(crate) mod reshard;
pub(crate) mod sensors;
pub(crate) mod sql;
pub(crate) mod streams;
pub(crate) mod tables;

mod parameters;
