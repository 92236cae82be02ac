//! The read side: the tail in memory, and the files behind it.

pub(crate) mod tail;
pub(crate) mod losses;
pub(crate) mod reader;
pub(crate) mod reads;
pub mod scrub;
