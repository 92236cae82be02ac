//! Commands that run a server, or send to one what a simulation makes up.

pub(super) mod demo;
pub(super) mod serve;
pub(super) mod sim;
