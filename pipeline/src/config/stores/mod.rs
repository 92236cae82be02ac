//! Stores outside of the server. Each has a cargo feature, and a type in its place for builds
//! without.

#[cfg(feature = "kafka")]
pub(crate) mod kafka;
#[cfg(any(feature = "dynamodb", feature = "s3"))]
pub(crate) mod aws;
#[cfg(feature = "dynamodb")]
pub(crate) mod dynamodb;
#[cfg(feature = "s3")]
pub(crate) mod s3;
#[cfg(not(all(feature = "dynamodb", feature = "kafka", feature = "s3")))]
pub(crate) mod left_out;
