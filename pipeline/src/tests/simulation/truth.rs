//! What producers put, and what they were told: all that the checks compare the server with.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use bytes::Bytes;
use ingest::log::frames::lost::Loss;
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
    /// Where it went, once the producer was told so or a reader has had it. A put without an answer may
    /// be there or not.
    pub(super) place: Option<Appended>,
    /// Whether a reader has had it: then it must stay.
    pub(super) seen: bool,
    /// Whether it is no longer in its stream: that was deleted, damaged, or replaced by an older copy.
    pub(super) gone: bool,
    /// Whether damage took it from its stream: then readers of that stream are told.
    pub(super) damaged: bool,
    /// Whether the rows that count it went with their stream: that was replaced by an older copy, or made
    /// anew when the record was gone.
    pub(super) uncounted: bool,
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
        self.puts.iter().filter(|(_, put)| put.place.is_some() || put.seen).map(|(id, put)| (*id, put))
    }

    /// Records that rows and items can be made of, and that are or were there as far as anybody can
    /// tell.
    pub(super) fn readable(&self) -> impl Iterator<Item = (u64, &Put)> {
        self.puts.iter().filter(|(_, put)| put.seen && !put.broken).map(|(id, put)| (*id, put))
    }

    /// The stream is deleted, and with it all of its records.
    pub(super) fn delete(&mut self) {
        self.puts.values_mut().for_each(|put| (put.gone, put.damaged) = (true, false));
    }

    /// Damage has taken the records of these numbers from the stream.
    pub(super) fn lose(&mut self, losses: &[Loss]) {
        let is_lost = |at: &Appended| {
            losses.iter().any(|loss| loss.shard == at.shard && (loss.first..loss.end).contains(&at.sequence_number))
        };
        for put in self.puts.values_mut().filter(|put| !put.gone && put.place.as_ref().is_some_and(is_lost)) {
            (put.gone, put.damaged) = (true, true);
        }
    }

    /// The rows of its query are deleted, and made again of what is still in the stream.
    pub(super) fn count_again(&mut self) {
        self.puts.values_mut().for_each(|put| put.uncounted = put.gone);
    }

    /// Records that must be in the stream itself, unless they have expired.
    pub(super) fn kept(&self) -> impl Iterator<Item = (u64, &Put)> {
        self.certain().filter(|(_, put)| !put.gone)
    }

    /// Whether neither the stream nor, if there is one, its archive has a record that SQL can read.
    pub(super) fn knows_nothing(&self, is_archived: bool) -> bool {
        self.certain().all(|(_, put)| put.broken || put.gone && !is_archived)
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

/// What was true when a copy was made: which records its streams do not have any more.
#[derive(Debug, Clone)]
pub(super) struct Past {
    next_id: u64,
    gone: BTreeSet<u64>,
    damaged: BTreeSet<u64>,
    uncounted: BTreeSet<u64>,
}

impl Truth {
    /// What is true now.
    pub(super) fn past(&self) -> Past {
        let ids = |of: fn(&Put) -> bool| {
            let puts = self.sources.values().flat_map(|source| &source.puts);
            puts.filter(|(_, put)| of(put)).map(|(id, _)| *id).collect()
        };
        Past {
            next_id: self.next_id,
            gone: ids(|put| put.gone),
            damaged: ids(|put| put.damaged),
            uncounted: ids(|put| put.uncounted),
        }
    }

    /// The streams are again what they were.
    pub(super) fn go_back(&mut self, past: &Past) {
        for (id, put) in self.sources.values_mut().flat_map(|source| &mut source.puts) {
            let is_later = past.next_id <= *id;
            put.gone = is_later || past.gone.contains(id);
            put.damaged = past.damaged.contains(id);
            put.uncounted = is_later || past.uncounted.contains(id);
        }
    }

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
        let put = Put {
            key,
            value,
            data,
            at,
            place: None,
            seen: false,
            gone: false,
            damaged: false,
            uncounted: false,
            broken,
        };
        self.source(source).puts.insert(id, put);
        (id, entry)
    }

    /// The producer was told that the record is kept.
    pub(super) fn acknowledge(&mut self, source: &str, id: u64, appended: Appended) {
        let put = self.source(source).puts.get_mut(&id).expect("it was begun");
        put.place = Some(appended);
    }

    /// The producer was told that the record is not kept.
    pub(super) fn refuse(&mut self, source: &str, id: u64) {
        self.source(source).puts.remove(&id);
    }
}
