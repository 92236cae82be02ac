//! Delivery streams: a consumer joined to a sink, with buffering, retry and dead letters.

pub mod cut;
pub mod sink;

pub mod options;
pub mod status;

mod backoff;
mod delivered_before;
mod buffer;
mod ledger;

pub mod stream;

mod attempts;
mod run;

mod work;
