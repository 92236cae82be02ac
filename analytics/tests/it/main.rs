//! Continuous queries from the outside: golden files, an oracle, restarts, and what users are told.

#![allow(clippy::unwrap_used)]

mod checkpoints;
mod documents;
mod errors;
mod golden;
mod oracle;
mod poison;
mod restart;
mod rig;
mod sensors;
mod tips;

mod windows;
