//! The read side: one reader of all tips, a few that seek, and the time up to which all has been read.

pub(crate) mod record;
pub(crate) mod tail;
pub(crate) mod fetcher;
pub(crate) mod range_reader;
pub(crate) mod broker_time;
pub(crate) mod compacted;
pub(crate) mod reader;
