//! Object archives behind [`model::archive::store::Archive`].

pub mod folder;
#[cfg(feature = "s3")]
pub mod s3;
