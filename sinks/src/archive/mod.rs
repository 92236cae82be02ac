//! Object archives behind [`model::archive::Archive`].

pub mod folder;
#[cfg(feature = "s3")]
pub mod s3;
