//! Delivery streams: a consumer joined to a sink, with buffering, retry and dead letters.

pub mod options;
pub mod status;
pub mod stream;

mod attempts;
mod backoff;
mod buffer;
mod ledger;
mod run;
