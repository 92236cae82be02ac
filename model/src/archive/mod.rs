//! The archive: objects that are written once, as a whole, and never change.

pub mod store;

pub mod format;
pub mod name;
