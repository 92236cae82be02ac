//! Processes for ad hoc SQL: how the server starts, watches and ends them, and what each does to itself at its start.

pub(crate) mod worker;

mod output;

mod spills;

mod process;

pub(crate) mod launch;
