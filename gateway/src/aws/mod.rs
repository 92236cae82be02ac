//! What all AWS JSON protocols share.

pub(crate) mod error;
pub(crate) mod protocol;
