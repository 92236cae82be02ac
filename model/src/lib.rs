//! The words and the seams of Gallop; no I/O.
//!
//! Every other crate stands on this one and meets its neighbours only here: a producer's entries become
//! records of a [`stream::store::StreamStore`], queries fold them and commit rows with a
//! [`stream::checkpoint::Checkpoint`], delivery writes them to a [`table::store::TableStore`] or an [`archive::store::Archive`],
//! and [`query::engine::SqlEngine`] reads them back. The modules stand in reading order.

pub mod clock;
pub mod name;

pub mod text;

pub mod stream;

pub mod datagram;

pub mod table;

pub mod archive;

pub mod query;

pub mod flow;

pub mod doctor;

#[doc(hidden)]
pub mod fuzzing;
pub mod testing;
