//! The bounds of connections.

use std::time::Duration;

/// How many connections there may be, and how long each step of one may take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AcceptOptions {
    /// The most connections at a time; more wait to be accepted.
    pub connections_max: usize,
    /// The most connections of one address at a time, or of one /64 network of IPv6; more are closed at once. Loopback
    /// is not one address but many programs, and has no such bound.
    pub connections_per_address_max: usize,
    /// How long a new connection may stay silent.
    pub first_byte_max: Duration,
    /// How long a TLS handshake may take.
    pub handshake_max: Duration,
    /// How long the head of a request may take from its first byte.
    pub head_max: Duration,
    /// How long a connection may stay without a request, and a reader may stand still.
    pub idle_max: Duration,
    /// How long a body has before its rate counts.
    pub body_grace: Duration,
    /// The slowest that a body may arrive, and an answer be taken.
    pub bytes_per_second_min: u64,
    /// The longest that a body may take at any rate.
    pub body_max: Duration,
    /// How long requests that are under way may go on after the shutdown begins.
    pub drain_max: Duration,
    /// Whether others than loopback may come without TLS although there is a certificate.
    pub plain_from_anywhere: bool,
}

impl Default for AcceptOptions {
    fn default() -> Self {
        AcceptOptions {
            connections_max: 10_000,
            connections_per_address_max: 1000,
            first_byte_max: Duration::from_secs(10),
            handshake_max: Duration::from_secs(10),
            head_max: Duration::from_secs(10),
            idle_max: Duration::from_secs(60),
            body_grace: Duration::from_secs(10),
            bytes_per_second_min: 1024,
            body_max: Duration::from_secs(300),
            drain_max: Duration::from_secs(10),
            plain_from_anywhere: false,
        }
    }
}
