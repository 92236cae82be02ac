//! Streams: how records are routed, numbered, kept and read.

mod md5_lanes;
pub mod hash_key;
pub mod sequence_number;
pub mod shard;
mod reshard;
pub mod printed_sequence_number;
pub mod sequence_number_printer;
pub mod record;
pub mod settings;
pub mod checkpoint;
mod lineage;
pub mod lives;
pub mod put_run;
pub mod store;
pub mod access;
pub mod acceptance;
pub mod layer;
pub mod aggregate;
pub mod consumer;
pub mod stand_by;
