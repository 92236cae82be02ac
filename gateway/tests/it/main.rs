//! The front door as its clients see it, over loopback, with stores in memory behind it.

#![allow(clippy::unwrap_used)]

mod auth;
mod cbor;
mod connections;
mod dry_run;
mod kinesis;
mod listing;
mod pages;
mod protocol;
mod quotas;
mod raw;
mod resharding;
mod rest;
mod server;
mod settings;
mod subscribe;
mod tls;
