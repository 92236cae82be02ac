//! The HTTP server: AWS wire protocols and Gallop's REST API.
//!
//! [`router::router`] has all routes; [`accept::server::serve`] runs it on a listener. Nothing here
//! keeps data. A request is read, checked against the limits of its protocol and passed to a trait
//! of `model`. The answer or the error is then written in that protocol's words.

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

#[cfg(any(test, feature = "testing"))]
#[doc(hidden)]
pub mod fuzzing;
