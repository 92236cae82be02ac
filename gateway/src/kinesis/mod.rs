//! Kinesis Data Streams over AWS JSON 1.1 and CBOR.
//!
//! [`service`] names the operations; each is a file of [`actions`]. Below them stand four rooms: streams, and putting,
//! reading and pushing records.

mod error;
mod limits;
mod target;
mod token;

mod input;

pub(crate) mod put;
pub(crate) mod read;
pub(crate) mod push;
pub(crate) mod stream;

pub(crate) mod actions;

pub(crate) mod service;
