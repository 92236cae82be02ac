//! Object archives behind [`model::archive::Archive`].

pub mod folder;
pub mod s3;

mod key_text;
mod multipart;
