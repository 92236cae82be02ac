//! Tests of the house and of the binary as its users meet it.

mod auth;
mod bench;
mod borders;
mod clients;
mod conservation;
mod demo;
mod disk_trouble;
mod drain;
mod encrypted;
mod encryption;
mod exposition;
mod foreign;
mod kills;
mod libraries;
mod load;
mod logs;
mod malformed;
mod metrics;
mod monitoring;
mod readiness;
mod rest;
mod rig;
mod sdk;
mod sensors;
mod server;
mod slow_clients;
