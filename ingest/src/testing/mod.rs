//! What tests hold in place of a disk.

pub mod faulty;
pub mod power_cut;
