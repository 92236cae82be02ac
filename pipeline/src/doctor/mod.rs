//! What may keep a server from starting or from keeping its promises: looked at one by one, each with what was found and what
//! to do about it. Nothing is changed but for a file of a few KiB that is written to the data folder, synced and removed.

pub(crate) mod finding;
pub(crate) mod elsewhere;
pub(crate) mod folder;
pub(crate) mod machine;
pub(crate) mod sensors;
pub(crate) mod settings;
pub(crate) mod live;
pub(crate) mod streams;
