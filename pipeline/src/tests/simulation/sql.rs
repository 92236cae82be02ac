//! SQL over a stream and its archive answers with every record, once.

use std::collections::BTreeSet;

use futures::TryStreamExt;
use model::query::engine::{SqlEngine, SqlError};
use model::query::json_lines::json_lines;

use super::truth::{Content, Source};

/// The ids that SQL finds, in their order.
pub(super) async fn ids(sql: &dyn SqlEngine, source: &str) -> Result<Vec<u64>, SqlError> {
    let rows = sql.query(&format!("SELECT \"id\" FROM \"{source}\" WHERE \"id\" IS NOT NULL ORDER BY \"id\"")).await?;
    let lines: Vec<_> = json_lines(rows).try_collect().await?;
    let ids = lines.iter().flat_map(|chunk| chunk.split(|byte| *byte == b'\n')).filter(|line| !line.is_empty());
    Ok(ids.map(|line| serde_json::from_slice::<Content>(line).expect("a row has an id").id).collect())
}

/// Compares; `is_expired` says which records need not be there.
pub(super) fn check(source: &Source, ids: &[u64], is_expired: impl Fn(u64) -> bool) -> Result<(), String> {
    if let Some(twice) = ids.windows(2).find(|pair| pair[0] == pair[1]) {
        return Err(format!("SQL has record {} twice", twice[0]));
    }
    let found: BTreeSet<u64> = ids.iter().copied().collect();
    if let Some(id) = found.iter().find(|id| !source.puts.contains_key(id)) {
        return Err(format!("SQL has record {id}, and its producer was told that it is not kept"));
    }
    let missing: Vec<u64> =
        source.certain_ids(false).difference(&found).copied().filter(|id| !is_expired(*id)).collect();
    if missing.is_empty() { Ok(()) } else { Err(format!("SQL does not have records {missing:?}")) }
}
