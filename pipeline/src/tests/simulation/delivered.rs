//! Every record of an archived stream is in one object, once. The table has the newest record of
//! every key.

use std::collections::{BTreeMap, BTreeSet};

use model::archive::store::{Archive, ArchiveError};
use model::table::store::{TableError, TableStore};
use serde::Deserialize;

use super::cast;
use super::truth::{Content, Source};

#[derive(Debug, Deserialize)]
struct TableItem {
    id: u64,
    k: String,
}

#[derive(Debug, Deserialize)]
struct DeadLetter {
    data_base64: String,
}

/// Ids of the records in a stream's objects, or in its dead letters.
pub(super) type Ids = BTreeSet<u64>;

fn of_letter(line: &[u8]) -> Option<Content> {
    let letter: DeadLetter = serde_json::from_slice(line).ok()?;
    Content::of(&base64_simd::STANDARD.decode_to_vec(letter.data_base64).ok()?)
}

/// What the objects in `folder` hold. The outer error cannot be judged, the inner one is a violation.
async fn ids_in(
    archive: &dyn Archive,
    folder: &str,
    read: impl Fn(&[u8]) -> Option<Content>,
) -> Result<Result<Ids, String>, ArchiveError> {
    let mut ids = Ids::new();
    for object in archive.list(folder).await? {
        let body = archive.get(&object.name, None).await?;
        for line in body.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()) {
            let Some(Content { id }) = read(line) else {
                return Ok(Err(format!("object {} has a line that nobody put", object.name)));
            };
            if !ids.insert(id) {
                return Ok(Err(format!("record {id} is there twice, at last in {}", object.name)));
            }
        }
    }
    Ok(Ok(ids))
}

/// What is archived of a stream, and what is in its dead letters.
pub(super) async fn archived(archive: &dyn Archive, source: &str) -> Result<Result<(Ids, Ids), String>, ArchiveError> {
    let kept = ids_in(archive, &format!("{source}/"), Content::of).await?;
    let dead = ids_in(archive, &format!("errors/{source}/"), of_letter).await?;
    Ok(kept.and_then(|kept| Ok((kept, dead?))))
}

/// What is archived once nothing is left to do; `is_expired` says which records need not be.
pub(super) fn check_archived(
    source: &Source,
    (kept, dead): &(Ids, Ids),
    is_expired: impl Fn(u64) -> bool,
) -> Result<(), String> {
    for (ids, broken) in [(kept, false), (dead, true)] {
        if let Some(id) = ids.iter().find(|id| source.puts.get(id).is_none_or(|put| put.broken != broken)) {
            return Err(format!("record {id} should not be there: {:?}", source.puts.get(id)));
        }
        let expected = source.certain_ids(broken);
        let missing: Vec<u64> = expected.difference(ids).copied().filter(|id| !is_expired(*id)).collect();
        if !missing.is_empty() {
            return Err(format!("records {missing:?} are missing (broken: {broken})"));
        }
    }
    Ok(())
}

/// The table once nothing is left to do.
pub(super) async fn check_table(tables: &dyn TableStore, source: &Source) -> Result<Result<(), String>, TableError> {
    let mut newest: BTreeMap<&str, u64> = BTreeMap::new();
    for (id, put) in source.readable() {
        newest.entry(&put.key).and_modify(|newest| *newest = id.max(*newest)).or_insert(id);
    }
    let page = tables.scan(&cast::table(), None, 1000).await?;
    let mut found = BTreeMap::new();
    for item in &page.items {
        let text = serde_json::to_vec(item).expect("items are JSON");
        match serde_json::from_slice::<TableItem>(&text) {
            Ok(TableItem { id, k }) => drop(found.insert(k, id)),
            Err(_) => return Ok(Err(format!("the table has an item that nobody put: {item:?}"))),
        }
    }
    let expected: BTreeMap<String, u64> = newest.into_iter().map(|(key, id)| (key.to_owned(), id)).collect();
    Ok(if found == expected { Ok(()) } else { Err(format!("the table has {found:?}, it should have {expected:?}")) })
}
