//! What is done to files of the log so that a crash or a full disk leaves them whole.

pub(crate) mod file_reads;
pub(crate) mod room;
pub(crate) mod replace;
