//! The streams of the cluster: what is kept of each, and how they come, change and go.

pub(crate) mod registry;
pub(crate) mod stream;
pub(crate) mod directory;
pub(crate) mod admin;
pub(crate) mod creation;
pub(crate) mod deletion;
pub(crate) mod sweep;
pub(crate) mod closing;
pub(crate) mod changes;
pub(crate) mod expiry;
