//! Taking connections: HTTP/1.1, HTTP/2 with prior knowledge and TLS on one port, all of it bounded.
//!
//! ```text
//! accept ──▶ seats ──▶ first bytes ──▶ TLS? ──▶ HTTP/1.1 or HTTP/2 ──▶ arrival ──▶ router
//!            in all,   within a        ALPN     watched: head, idle,   (paces the body)
//!            by peer   deadline                 slow readers
//! ```
//!
//! A connection that does not do what one does within its time is closed; a request's body that trickles is refused. None
//! of it costs a timer a read: a connection counts its bytes, and is looked at a few times a minute.

pub mod answers;
pub mod options;
pub mod server;
pub mod tls;

pub(crate) mod arrival;
pub(crate) mod paced;

mod connection;
mod first_bytes;
mod meter;
mod seats;
mod watch;
