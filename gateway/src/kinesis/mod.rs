//! Kinesis Data Streams over AWS JSON 1.1.

pub(crate) mod router;

mod actions;
mod error;
mod iterator;
mod limits;
mod token;
mod wire;
