//! How time is cut into windows, and how rows get into them.

pub mod tumbling;

pub(crate) mod assigner;
