//! How a server is asked: whom we trust, who asks, and its two APIs.

pub mod trust;
pub mod https;
pub mod identity;
pub mod authorization;
pub mod http_client;
pub mod kinesis_client;
pub mod rest_client;
pub mod connection;
