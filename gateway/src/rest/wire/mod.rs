//! What REST answers and accepts, as JSON: a type for each shape, made from the types of `model`.
//!
//! The names of fields and variants here are a promise to clients and the source of `openapi.json`.
//! `model` can change without them.

pub(crate) mod flow;
pub(crate) mod sensor;
pub(crate) mod table;
