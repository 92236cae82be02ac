//! Every record is counted in one window, once.

use std::collections::BTreeMap;

use model::stream::record::Record;
use model::stream::shard::ShardId;
use serde::Deserialize;

use super::cast;
use super::truth::Source;

#[derive(Debug, Deserialize)]
struct Row {
    k: String,
    n: u64,
    total: u64,
}

/// Compares the rows of a query, once no window is open, with the records of its source.
pub(super) fn check(name: &str, source: &Source, rows: &[(ShardId, Record)]) -> Result<(), String> {
    let mut expected: BTreeMap<String, (u64, u64)> = BTreeMap::new();
    for (_, put) in source.readable().filter(|(_, put)| !put.uncounted && cast::is_computable(name, put.value)) {
        let (n, total) = expected.entry(put.key.clone()).or_default();
        (*n, *total) = (*n + 1, *total + put.value);
    }
    let mut found: BTreeMap<String, (u64, u64)> = BTreeMap::new();
    for (_, record) in rows {
        let Ok(row) = serde_json::from_slice::<Row>(&record.data) else {
            return Err(format!("a query wrote a row that does not read: {record:?}"));
        };
        let (n, total) = found.entry(row.k).or_default();
        (*n, *total) = (*n + row.n, *total + row.total);
    }
    if found == expected { Ok(()) } else { Err(format!("windows have {found:?}, records are {expected:?}")) }
}
