//! What tests hold in place of a real cluster, and networks to measure with.

pub mod kafka_cluster;
pub mod plain_loop;
pub mod wire;
