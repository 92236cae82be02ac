//! Kinesis Data Streams over AWS JSON 1.1 and CBOR.

pub(crate) mod router;

mod actions;
mod appended;
mod consumer_arn;
mod cors;
mod error;
mod iterator;
mod limits;
mod position;
mod push;
mod push_event;
mod push_memory;
mod reading;
mod records;
mod shapes;
mod subscriptions;
mod target;
mod token;
