//! What tests hold in place of a disk, a real cluster, and networks to measure with.

pub mod disk_state;
pub mod power_cut;
pub mod faulty;
pub mod kafka_cluster;
pub mod plain_loop;
pub mod wire;
