//! Accepting connections: HTTP/1.1, HTTP/2 with prior knowledge and TLS on one port, all with limits.
//!
//! ```text
//! accept ──▶ connection limit ──▶ first bytes ──▶ TLS? ──▶ HTTP/1.1 or HTTP/2 ──▶ arrival ──▶ router
//!            in all,              within a        ALPN     watched: head, idle,   (paces the body)
//!            by peer              deadline                 slow readers
//! ```
//!
//! A connection that misses a deadline is closed, and a request whose body arrives too slowly is
//! rejected. No read needs a timer: a connection counts its bytes and is checked a few times a
//! minute.

pub mod answers;
pub mod options;
pub mod server;
pub mod tls;

pub(crate) mod arrival;
pub(crate) mod paced;

mod connection;
mod first_bytes;
mod connection_limit;
mod meter;
mod watch;
