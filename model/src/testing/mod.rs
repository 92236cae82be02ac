//! What tests hold in place of the world: a clock that stands still, disks that fail, stores in
//! memory, and the suites that every implementation of a seam must pass.

pub mod aggregator;
pub mod canned_sql;
pub mod clock;
pub mod conformance;
pub mod corpus;
pub mod datagrams;
pub mod disk_state;
pub mod faulty;
pub mod memory_archive;
pub mod memory_store;
pub mod memory_table;
pub mod power_cut;
