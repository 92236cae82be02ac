//! Streams: the durable shard log, and the sensor path into it.
//!
//! [`log::store::LogStore`] keeps streams in a folder; `testing` holds disks that lose power, are
//! full, or fail.

pub mod log;
#[cfg(feature = "kafka")]
pub mod kafka;

pub mod sensor;
pub mod udp;
pub mod xdp;
pub mod receiver;

#[cfg(any(test, feature = "testing"))]
pub mod testing;
#[cfg(any(test, feature = "testing"))]
#[doc(hidden)]
pub mod fuzzing;
