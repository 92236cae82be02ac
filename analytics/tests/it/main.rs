//! Continuous queries from the outside: golden files, an oracle, restarts, and what users are told.

#![allow(clippy::unwrap_used)]

mod errors;
mod golden;
mod oracle;
mod restart;
mod sensors;
