//! `[connections]`: how many there may be.

use gateway::accept::options::AcceptOptions;
use serde::Deserialize;

use crate::config::text::error::Faults;

/// Bounds on connections.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct ConnectionsConfig {
    /// The most connections in all; more wait.
    max: Option<u32>,
    /// The most connections of one address, loopback excepted; more are closed. A proxy in front is
    /// one address.
    per_address_max: Option<u32>,
}

impl ConnectionsConfig {
    /// The bounds, where this process may open `files_max` files.
    pub(crate) fn options(&self, files_max: u64) -> AcceptOptions {
        let usual = AcceptOptions::default();
        let or = |value: Option<u32>, usual: usize| value.map_or(usual, |value| value as usize);
        // Streams, tables and archives need files too.
        let places = usize::try_from(files_max / 4 * 3).unwrap_or(usize::MAX);
        AcceptOptions {
            connections_max: or(self.max, usual.connections_max).min(places),
            connections_per_address_max: or(self.per_address_max, usual.connections_per_address_max),
            ..usual
        }
    }

    /// What the shape alone does not say.
    pub(crate) fn check(&self, faults: &mut Faults) {
        for (key, value) in [("max", self.max), ("per_address_max", self.per_address_max)] {
            if value == Some(0) {
                let message = format!("connections: with {key} = 0 no connection would be accepted");
                faults.add(&["connections", key], message, "use 1 or more, or leave it out");
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_are_files_for_every_connection() {
        let options = |max, files_max| ConnectionsConfig { max, per_address_max: Some(7) }.options(files_max);
        assert_eq!((options(None, 1 << 20).connections_max, options(None, 1024).connections_max), (10_000, 768));
        assert_eq!((options(Some(50), 1024).connections_max, options(Some(50), 40).connections_max), (50, 30));
        assert_eq!(options(None, 1024).connections_per_address_max, 7);
        let mut faults = Faults::default();
        ConnectionsConfig { max: Some(0), per_address_max: Some(1) }.check(&mut faults);
        assert_eq!(faults.found.len(), 1);
    }
}
