//! Delivery streams from end to end, over stores in memory, with faults and crashes.

#![allow(clippy::unwrap_used)]

mod archive_delivery;
mod crash;
mod failed_syncs;
mod faults;
mod full_disk;
mod lives;
mod sensor_archive;
mod table_delivery;
mod tables;
mod world;
