//! The archive: objects written whole and never changed.

pub mod store;

pub mod format;
pub mod name;
