//! SubscribeToShard: who is subscribed, and what is sent.

pub(crate) mod subscriptions;
pub(crate) mod event;
pub(crate) mod frames;
