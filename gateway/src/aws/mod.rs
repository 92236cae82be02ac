//! What all AWS APIs of this server share. [`frame`] takes a request to an operation of a [`service`].

pub(crate) mod wire;

pub(crate) mod body;
pub(crate) mod cors;
pub(crate) mod error;
pub(crate) mod event_stream;
pub(crate) mod protocol;
pub(crate) mod service;

pub(crate) mod frame;
