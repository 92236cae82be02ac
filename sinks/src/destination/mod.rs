//! Kinds of destination: each turns cuts of a stream into what its kind keeps.

pub mod table;

pub mod archive;

pub mod connect;
