//! Checks for anything that can keep a server from starting or from keeping its promises.
//!
//! Each check looks at the machine, the folder, the log or a service, and a pure function judges
//! what it found, so tests can call it with any value. Nothing is changed, except for a file of a
//! few KiB that is written to the data folder, synced and removed, and for a small object that a
//! bucket gets to show that it supports conditional puts.

pub(crate) mod finding;
pub(crate) mod host;
pub(crate) mod flows;
pub(crate) mod elsewhere;
pub(crate) mod settings;
pub(crate) mod live;
pub(crate) mod streams;
