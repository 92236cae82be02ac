//! The embedded stream store: one segmented log per stream, all shards interleaved in it, one sync for all that waits.
//!
//! ```text
//! append: route, encode ─▶ queue ─▶ writer: number, stamp, frame ─▶ file ─▶ one sync ─▶ publish ─▶ acknowledge
//!                                                                                            │
//! read ◀─ tail in memory ◀───────────────────────────────────────────────────────────────────┤
//! read ◀─ segment files, found by a sparse index, every frame checked ◀──────────────────────┘
//! ```
//!
//! What is promised: an acknowledged record is on disk; readers see only what is on disk; bytes that are not those
//! written are reported, never returned. The modules stand in reading order.

mod append;
mod batch;
pub mod block;
mod changes;
pub mod cipher;
pub mod commit;
mod draft;
pub mod error;
pub mod file;
mod file_reads;
mod folder;
pub mod frame;
pub mod group;
pub mod head;
pub mod index;
pub mod index_entries;
pub mod inspect;
pub mod key;
pub mod manifest;
mod numbering;
pub mod options;
pub mod place;
mod queue;
mod reader;
mod reads;
mod replace;
pub mod recovery;
mod retention;
mod roll;
mod room;
mod run;
pub mod segment;
pub mod status;
pub mod store;
mod stream;
mod stream_folder;
mod tail;
mod writer;
