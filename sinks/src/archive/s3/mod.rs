//! An archive in an S3 bucket, or in any server that speaks like one.
//!
//! ```text
//! object `a/b.json`, prefix `p/`   ──▶   PUT /bucket/p/a/b.json   If-None-Match: *   x-amz-checksum-crc32
//! larger than multipart_bytes_min  ──▶   parts in parallel, then completion with If-None-Match: *
//! ```
//!
//! An object appears whole or not at all and is never replaced: the store's own conditional writes see to that. The first
//! put checks that the store keeps this promise, since one that ignores `If-None-Match` would overwrite without a word.
//!
//! A call that fails in passing is tried again, with doubling and jittered waits, up to `attempts_max`; then the error
//! goes up, and the delivery goes on trying until the stream's retention ends. A put whose answer got lost is found there
//! by the next try and is then [`model::archive::store::PutOutcome::AlreadyThere`]: the caller compares, as after a crash.

mod check;
mod key_text;
mod multipart;
mod options;
mod store;

pub use options::S3Options;
pub use store::S3Archive;
