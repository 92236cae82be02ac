//! Object archives behind [`model::archive::Archive`].

pub mod folder;
pub mod s3;
