//! What all AWS JSON protocols share.

pub(crate) mod body;
pub(crate) mod error;
pub(crate) mod event_stream;
pub(crate) mod protocol;
pub(crate) mod wire;
