//! `[sql]`: what ad hoc queries may use.

use std::time::Duration;

use analytics::adhoc::limits::AdhocLimits;
use serde::Deserialize;

use crate::config::text::error::Faults;
use crate::sql::launch::ProcessOptions;

const MIB: u64 = 1 << 20;
/// Memory below this does not hold a query that joins or sorts.
const MEMORY_MIB_MIN: u64 = 256;

/// What ad hoc queries may use.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct SqlConfig {
    /// Queries that run at the same time, each in a process of its own.
    queries_max: usize,
    /// Memory of one query.
    memory_mib_max: u64,
    /// How long one query may take.
    seconds_max: u64,
    /// Temporary files of one query.
    temp_mib_max: u64,
    /// Space that temporary files leave free on their disk.
    temp_free_mib_min: u64,
    /// How long a query waits for a reader that takes no rows.
    reader_seconds_max: u64,
}

impl Default for SqlConfig {
    fn default() -> Self {
        SqlConfig {
            queries_max: 4,
            memory_mib_max: 1024,
            seconds_max: 300,
            temp_mib_max: 8192,
            temp_free_mib_min: 1024,
            reader_seconds_max: 5,
        }
    }
}

impl SqlConfig {
    /// What the shape alone does not say.
    pub(crate) fn check(&self, faults: &mut Faults) {
        let least = [
            ("queries_max", self.queries_max as u64, 1),
            ("memory_mib_max", self.memory_mib_max, MEMORY_MIB_MIN),
            ("seconds_max", self.seconds_max, 1),
            ("reader_seconds_max", self.reader_seconds_max, 1),
        ];
        for (key, value, least) in least.into_iter().filter(|(_, value, least)| value < least) {
            let message = format!("sql: {key} = {value} is too low for any query");
            faults.add(&["sql", key], message, format!("use {least} or more, or leave it out"));
        }
    }

    /// The bounds that the engine keeps.
    pub(crate) fn limits(&self) -> AdhocLimits {
        let usual = AdhocLimits::default();
        let memory = usize::try_from(self.memory_mib_max.saturating_mul(MIB)).unwrap_or(usize::MAX);
        AdhocLimits {
            queries_running_max: self.queries_max,
            query_duration_max: Duration::from_secs(self.seconds_max),
            // Half for what sorts, joins and groups keep; they spill before the query is ended.
            query_memory_bytes_max: memory / 2,
            query_spill_bytes_max: self.temp_mib_max.saturating_mul(MIB),
            reader_wait_max: Duration::from_secs(self.reader_seconds_max),
            ..usual
        }
    }

    /// The bounds that the process keeps.
    pub(crate) fn process(&self) -> ProcessOptions {
        ProcessOptions {
            memory_bytes_max: self.memory_mib_max.saturating_mul(MIB),
            temp_room_bytes_min: self.temp_free_mib_min.saturating_mul(MIB),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bounds_that_no_query_can_keep_are_refused() {
        let mut faults = Faults::default();
        SqlConfig::default().check(&mut faults);
        assert!(faults.found.is_empty());
        SqlConfig {
            queries_max: 0,
            memory_mib_max: 255,
            seconds_max: 0,
            reader_seconds_max: 0,
            ..SqlConfig::default()
        }
        .check(&mut faults);
        assert_eq!(faults.found.len(), 4);
    }
}
