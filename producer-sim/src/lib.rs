//! Unicorns: a seeded fleet of producers, and files as producers.
//!
//! A [`fleet::Fleet`] or a file of lines makes entries. A [`producer::Producer`] batches them,
//! sends them through a [`transport::Transport`], retries what was rejected, and ends with a
//! [`report::Report`].

pub mod fleet;
pub mod identity;
pub mod kinesis;
pub mod lines;
pub mod producer;
pub mod report;
pub mod sensor;
pub mod sim;
pub mod transport;
pub mod trust;
pub mod unicorn;
