//! The whole job on engines that stand elsewhere. The scripts in `infra/` start them.
#![allow(clippy::unwrap_used)]

#[path = "../it/anew.rs"]
mod anew;
#[path = "../it/conservation.rs"]
mod conservation;
#[path = "../it/installed.rs"]
mod installed;
#[path = "../it/load.rs"]
mod load;
#[path = "../it/rest.rs"]
mod rest;
#[path = "../it/server.rs"]
#[expect(dead_code, reason = "not every test needs all of it")]
mod server;

mod book;
mod doctor;
mod elsewhere;
mod engines;
mod kafka;
mod lives;
