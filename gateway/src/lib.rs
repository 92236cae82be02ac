//! The front door: AWS wire protocols and our REST API.
//!
//! [`router::router`] is everything as one value; [`accept::server::serve`] gives it to a listener. Nothing here keeps
//! data: a request is read, checked against the limits of its protocol, handed to a seam of `model`, and the
//! answer or the error is put into that protocol's words.

pub mod accept;
pub mod auth;
pub mod quota;
pub mod state;

mod host;
mod usage;
mod reshard;

mod aws;
mod kinesis;
mod rest;

pub mod router;

#[doc(hidden)]
pub mod fuzzing;
