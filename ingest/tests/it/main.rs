//! The log from outside: the shared promises, crashes, damage, groups.
#![allow(clippy::unwrap_used)]

mod basics;
mod clock_steps;
mod common;
mod compaction;
mod damage;
mod disk_trouble;
mod failed_syncs;
mod foreign_files;
mod encryption;
mod frames;
mod intake;
mod lives;
mod model;
mod numbers;
mod power_cuts;
mod reads;
mod repair;
mod senders;
mod sensor_writer;
mod sensors;
mod udp;
mod xdp;
