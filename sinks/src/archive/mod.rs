//! Object archives behind [`model::archive::Archive`].

pub mod folder;
