//! The disk below the log, and what is done to files so that a crash or a full disk leaves them whole.

pub mod file;
pub(crate) mod file_reads;
pub(crate) mod room;
pub(crate) mod replace;
pub(crate) mod own_folder;
