//! Signatures held against AWS's own vectors, against its own signer, and against every way of altering a request.

#![allow(clippy::unwrap_used)]

mod matrix;
mod mutations;
mod refusals;
mod signer;
mod vectors;
