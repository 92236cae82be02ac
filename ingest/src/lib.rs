//! Streams: the durable shard log, and the sensor path into it.
//!
//! [`log::store::LogStore`] keeps streams in a folder; `testing` holds disks that lose power, are full, or fail.

#[doc(hidden)]
pub mod fuzzing;
#[cfg(feature = "kafka")]
pub mod kafka;
pub mod log;
pub mod receiver;
pub mod sensor;
pub mod testing;
pub mod udp;
pub mod xdp;
