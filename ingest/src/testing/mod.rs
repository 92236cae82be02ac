//! What tests hold in place of a disk, and a real cluster.

pub mod faulty;
pub mod kafka_cluster;
pub mod power_cut;
pub mod wire;
