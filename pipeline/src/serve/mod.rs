//! The server: puts the crates together, serves, and drains.
//!
//! ```text
//! settings ──▶ streams ──┬──▶ gateway (Kinesis, REST, SQL) ──▶ one port
//!              tables ───┤
//!              archive ──┼──▶ flows, and tasks such as trimming: all supervised
//!              SQL ──────┘
//! ```

pub(crate) mod options;
mod tables;
mod scrub;
pub(crate) mod trim;
pub(crate) mod engine;
mod start;
#[cfg(test)]
mod tests;
