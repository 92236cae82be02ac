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
//! written are reported, never returned.

pub mod error;
pub mod files;
pub mod frames;
pub mod segments;
pub mod options;
pub mod status;
mod log_time;
mod stream;
mod write;
pub mod read;
mod stream_folder;
pub(crate) mod ended;
mod folder;
pub mod store;
pub mod inspect;
pub mod repair;
