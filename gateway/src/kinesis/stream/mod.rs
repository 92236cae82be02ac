//! Streams and their registered consumers: how they are described and changed.

pub(crate) mod calls;
pub(crate) mod consumer_arn;
pub(crate) mod resource;
pub(crate) mod tags;
pub(crate) mod mode;
pub(crate) mod throughput;
pub(crate) mod retention;
pub(crate) mod encryption;
pub(crate) mod monitoring;
pub(crate) mod shapes;
pub(crate) mod consumers;
