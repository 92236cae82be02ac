//! The command line as people meet it.

mod errors;
mod examples;
mod golden;
mod repair;
mod streams;
