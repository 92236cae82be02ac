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
mod snapshot;

pub mod query_error;
pub mod status;

pub mod query;

mod running;

mod run;

pub mod bounded;

pub mod adhoc;
