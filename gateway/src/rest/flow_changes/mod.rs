//! What changes queries and deliveries while the server runs: create, alter, pause, resume, drop.

mod target;
pub(crate) mod queries;
pub(crate) mod deliveries;
