//! The files of a stream: segments with their indexes, the manifest that names them, and their recovery.

pub mod index_entries;
pub mod index;
pub mod segment;
pub(crate) mod pieces;
pub(crate) mod compaction;
pub(crate) mod retention;
pub mod manifest;
pub(crate) mod survey;
pub mod recovery;
