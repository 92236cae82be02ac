//! Records to rows of a query's columns: from JSON, and from sensor datagrams.

pub(crate) mod waiting;

pub(crate) mod json;

pub(crate) mod discover;

pub(crate) mod sensor;
