//! `[dashboard]`: what the page shows.

use model::name::StreamName;
use serde::Deserialize;

/// The stream that is followed when none is named: the workshop's.
const FLEET: &str = "wildrydes";

/// What the page shows.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct DashboardConfig {
    /// The stream whose records are readings of unicorns: JSON with `Name`, `Latitude` and
    /// `Longitude`, and perhaps `Distance`, `HealthPoints` and `MagicPoints`.
    pub(crate) fleet: StreamName,
}

impl Default for DashboardConfig {
    fn default() -> Self {
        DashboardConfig { fleet: StreamName::new(FLEET).expect("a valid name") }
    }
}
