//! Continuous windowed SQL, and ad hoc SQL over archive and live tail.

#![cfg_attr(test, allow(clippy::unwrap_used))]

pub mod schema;
pub mod window;

pub mod sql;

mod waiting;

mod decode;
mod sensor_decode;

mod definition;
mod encode;
mod field;
mod operator;
mod plan;
mod running;
mod snapshot;

pub mod bounded;
pub mod query;
pub mod status;

pub mod adhoc;
