//! The names, rules and traits that all crates of Gallop share. It does no I/O, apart from the
//! machine's own clock and disk, which stand beside their traits.
//!
//! Every other crate depends on this one, and crates meet only here:
//!
//! - A producer's entries become records of a [`stream::store::StreamStore`].
//! - Queries fold records and commit rows together with a [`stream::checkpoint::Checkpoint`].
//! - Deliveries write records to a [`table::store::TableStore`] or an [`archive::store::Archive`].
//! - [`query::engine::SqlEngine`] reads all of it back.
//!
//! The modules are in reading order: each uses only those before it.

#![warn(missing_docs)]

pub mod clock;
pub mod blocking;
pub mod disk;
pub mod folders;
pub mod rate;
pub mod token_bucket;
pub mod name;

pub mod text;

pub mod datagram;

pub mod stream;

pub mod table;

pub mod archive;

pub mod query;

pub mod flow;

pub mod doctor;

#[cfg(any(test, feature = "testing"))]
pub mod testing;
#[cfg(any(test, feature = "testing"))]
#[doc(hidden)]
pub mod fuzzing;
