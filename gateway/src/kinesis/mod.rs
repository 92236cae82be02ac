//! Kinesis Data Streams over AWS JSON 1.1 and CBOR.

pub(crate) mod router;

mod actions;
mod appended;
mod cors;
mod error;
mod iterator;
mod limits;
mod records;
mod shapes;
mod token;
