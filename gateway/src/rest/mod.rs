//! Our REST API. Every route below `/v1` is here, except the feed of the dashboard's own page.
//!
//! `record`, `position` and `error` say what a record, a place to begin and an error look like, on
//! every route. `wire` has all other shapes that several routes share.

mod wire;

mod parameters;
mod position;
mod record;

pub(crate) mod error;

mod body;
mod bodies;

mod action;
mod permission;
pub(crate) mod access;
pub(crate) mod host;

mod description;
mod doctor;
mod flows;
mod flow_changes;
pub(crate) mod health;
mod metrics;
mod records;
mod reshard;
mod sensors;
mod sql;
mod streams;
mod tables;
mod tail;

pub(crate) mod routes;
