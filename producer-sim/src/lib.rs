//! Unicorns: a seeded fleet, and the simulator that sends what it does.
//!
//! A [`fleet::Fleet`] makes entries, which [`sim`] hands to a producer of the crate `client`.
//! [`sensor`] sends the same walks as datagrams.

pub mod unicorn;
pub mod fleet;
pub mod sensor;
pub mod sim;
