//! The brokers: clients, topics, what they answer, and how old what is known of them may be.

pub(crate) mod fault;
pub(crate) mod tasks;
pub(crate) mod clients;
pub(crate) mod topics;
pub(crate) mod views;
