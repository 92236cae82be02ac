//! The words and the seams of Gallop; no I/O.
//!
//! Every other crate stands on this one and meets its neighbours only here: a producer's entries become
//! records of a [`stream_store::StreamStore`], queries fold them and commit rows with a
//! [`checkpoint::Checkpoint`], delivery writes them to a [`table::TableStore`] or an [`archive::Archive`],
//! and [`sql::SqlEngine`] reads them back. The modules stand in reading order.

pub mod acceptance;
pub mod aggregate;
pub mod archive;
pub mod checkpoint;
pub mod clock;
pub mod consumer;
pub mod datagram;
pub mod explain;
pub mod flow;
#[doc(hidden)]
pub mod fuzzing;
pub mod hash_key;
pub mod json_object;
mod md5_lanes;
pub mod name;
pub mod put_run;
pub mod record;
pub mod record_filter;
mod reshard;
pub mod sensor_admin;
pub mod sequence_number;
pub mod sequence_number_printer;
pub mod shard;
pub mod sql;
pub mod stand_by;
pub mod stream_settings;
pub mod stream_store;
pub mod table;
pub mod testing;
