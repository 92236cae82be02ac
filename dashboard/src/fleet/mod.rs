//! What the map and the list of unicorns show.

pub(crate) mod reading;
pub(crate) mod unicorns;
