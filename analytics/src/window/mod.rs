//! How time is cut into windows.

pub mod tumbling;
