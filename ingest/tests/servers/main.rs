//! Streams on a real Apache Kafka. Needs java, mvn and python3; `make test` runs it, `make test-fast` leaves it out.
#![allow(clippy::unwrap_used)]

mod common;
mod faults;
mod foreign;
mod halfway;
mod holders;
mod promises;
