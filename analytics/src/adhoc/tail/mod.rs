//! The live tail: records that the archive does not have yet.

pub(crate) mod range;

pub(crate) mod sensor;
