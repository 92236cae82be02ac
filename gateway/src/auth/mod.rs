//! Authentication and authorization: who sent a request, and what they may do.
//!
//! ```text
//! head ──▶ claim (what the request says of itself) ──▶ verifier ──▶ principal ──▶ policy ──▶ yes or no
//!            scope, signed headers, date, token          ▲            (credential)
//!                                                   body │ hash
//! ```
//!
//! Signatures are AWS Signature Version 4, in the header or in the query. A request is accepted if
//! a known key signed it for this region and service within the last minutes, over method, path,
//! query, host, all `x-amz-*` headers and the whole body. Nothing is done before that is proven.

pub mod access;
pub mod credential;
pub mod policy;
pub mod secret;

pub(crate) mod canonical;
pub(crate) mod claim;
pub(crate) mod error;
pub(crate) mod pattern;
pub(crate) mod payload;
pub(crate) mod resource_policy;
pub(crate) mod scope;
pub(crate) mod signing_key;
pub(crate) mod stamp;
pub(crate) mod verifier;

#[cfg(test)]
mod tests;
