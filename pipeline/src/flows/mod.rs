//! Flows at run time: queries, deliveries and the server's own tasks, all supervised by one state machine.
//!
//! `worker` runs one of them as a task, `supervisor` holds all, `admin` changes them, `kept` keeps what was changed,
//! and `report` tells of them.

pub(crate) mod work;
pub(crate) mod worker;
pub(crate) mod tasks;
pub(crate) mod panics;
pub(crate) mod rate;
pub(crate) mod kept;
pub(crate) mod part;
mod differences;
pub(crate) mod supervisor;
pub(crate) mod report;
mod check;
mod admin;
pub(crate) mod control;
pub(crate) mod settings;
