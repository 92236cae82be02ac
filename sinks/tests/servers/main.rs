//! The distributed backends against real servers, which the scripts in `infra/` fetch and start.

#![allow(clippy::unwrap_used)]

mod archive;
mod faults;
mod signatures;
mod table;
mod world;
