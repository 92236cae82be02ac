//! What producers put, and what they were told: all that the checks compare the server with.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use bytes::Bytes;
use model::stream::hash_key::PartitionKey;
use model::stream::record::{Appended, PutEntry};
use serde::Deserialize;

use super::cast::KEYS;

/// A record that somebody has put.
#[derive(Debug, Clone)]
pub(super) struct Put {
    pub(super) key: String,
    pub(super) value: u64,
    pub(super) data: Bytes,
    /// The machine's elapsed time at the put.
    pub(super) at: Duration,
    /// Where it went, once the producer was told so. A put without an answer may be there or not.
    pub(super) acknowledged: Option<Appended>,
    /// Whether a reader has had it: then it must stay.
    pub(super) seen: bool,
    /// Whether it is no JSON. Then nobody can count it or find it by SQL, and deliveries put it to
    /// the dead letters.
    pub(super) broken: bool,
}

/// What a record of these worlds holds.
#[derive(Debug, Deserialize)]
pub(super) struct Content {
    pub(super) id: u64,
}

impl Content {
    /// Reads a record as it was put; nothing where nobody has put such a record.
    pub(super) fn of(data: &[u8]) -> Option<Content> {
        let broken = || std::str::from_utf8(data).ok()?.strip_prefix(BROKEN)?.parse().ok();
        serde_json::from_slice(data).ok().or_else(|| broken().map(|id| Content { id }))
    }
}

/// How a record begins that is no JSON.
const BROKEN: &str = "{broken ";
/// One of so many records is.
const BROKEN_OF: u64 = 40;

/// One source.
#[derive(Debug, Default)]
pub(super) struct Source {
    pub(super) puts: BTreeMap<u64, Put>,
}

impl Source {
    /// Records that must be there wherever they are kept for ever.
    pub(super) fn certain(&self) -> impl Iterator<Item = (u64, &Put)> {
        self.puts.iter().filter(|(_, put)| put.acknowledged.is_some() || put.seen).map(|(id, put)| (*id, put))
    }

    /// Records that are there as far as anybody can tell, and that can be counted.
    pub(super) fn countable(&self) -> impl Iterator<Item = (u64, &Put)> {
        self.puts.iter().filter(|(_, put)| put.seen && !put.broken).map(|(id, put)| (*id, put))
    }

    /// Ids of the records that must be wherever records are kept for ever, or of those that must
    /// be among the dead letters.
    pub(super) fn certain_ids(&self, broken: bool) -> BTreeSet<u64> {
        self.certain().filter(|(_, put)| put.broken == broken).map(|(id, _)| id).collect()
    }
}

/// All that was put.
#[derive(Debug, Default)]
pub(super) struct Truth {
    pub(super) sources: BTreeMap<String, Source>,
    next_id: u64,
}

impl Truth {
    pub(super) fn source(&mut self, name: &str) -> &mut Source {
        self.sources.entry(name.to_owned()).or_default()
    }

    /// Makes a record up, and notes that it is on its way.
    pub(super) fn begin(&mut self, source: &str, random: u64, at: Duration) -> (u64, PutEntry) {
        let id = self.next_id;
        self.next_id += 1;
        let (key, value) = (format!("k{}", random % KEYS), random / 7 % 100);
        let pad = "x".repeat(usize::try_from(random / 1000 % 300).expect("it is small"));
        let broken = (random / 11).is_multiple_of(BROKEN_OF);
        let data: Bytes = match broken {
            true => format!("{BROKEN}{id}").into(),
            false => format!(r#"{{"id":{id},"k":"{key}","v":{value},"pad":"{pad}"}}"#).into(),
        };
        let entry = PutEntry::new(PartitionKey::new(key.clone()).expect("a key"), data.clone());
        let put = Put { key, value, data, at, acknowledged: None, seen: false, broken };
        self.source(source).puts.insert(id, put);
        (id, entry)
    }

    /// The producer was told that the record is kept.
    pub(super) fn acknowledge(&mut self, source: &str, id: u64, appended: Appended) {
        let put = self.source(source).puts.get_mut(&id).expect("it was begun");
        put.acknowledged = Some(appended);
    }

    /// The producer was told that the record is not kept.
    pub(super) fn refuse(&mut self, source: &str, id: u64) {
        self.source(source).puts.remove(&id);
    }
}
