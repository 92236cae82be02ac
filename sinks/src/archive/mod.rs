//! Implementations of [`model::archive::store::Archive`]: a folder and S3.

pub mod folder;
#[cfg(feature = "s3")]
pub mod s3;
