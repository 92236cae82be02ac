//! Kinesis Data Streams over AWS JSON 1.1 and CBOR.

pub(crate) mod actions;
mod answer_memory;
mod appended;
mod bulk;
mod consumer_arn;
mod consumers;
mod encryption;
mod error;
mod input;
mod iterator;
mod limits;
mod mode;
mod monitoring;
mod position;
mod push;
mod push_event;
mod put_input;
pub(crate) mod put_scanner;
mod reading;
mod records;
mod resource;
mod retention;
mod shapes;
pub(crate) mod stream;
mod subscriptions;
mod tags;
mod target;
mod throughput;
mod token;

pub(crate) mod service;
