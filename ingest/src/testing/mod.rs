//! What tests hold in place of a disk.

pub mod power_cut;
