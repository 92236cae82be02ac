//! Every acknowledged record that retention keeps is in its stream, where its producer was told,
//! with its bytes, in order, once. So is every record that a reader has had before.

use std::collections::BTreeMap;
use std::time::Duration;

use model::name::StreamName;
use model::stream::record::{Appended, Record};
use model::stream::shard::ShardId;
use model::stream::store::{ReadLimit, StartingPosition, StreamError, StreamStore};

use super::truth::{Content, Put, Source};

/// What two readings of the clock may differ by.
const TOLERANCE: Duration = Duration::from_secs(2);

/// What a reader found.
#[derive(Debug, Default)]
pub(super) struct Found {
    pub(super) records: Vec<(ShardId, Record)>,
    /// As the reader was told.
    pub(super) lost: u64,
}

/// Reads a whole stream, as far as it is kept. Retention may overtake the reader, as any other.
pub(super) async fn read_all(store: &dyn StreamStore, stream: &StreamName) -> Result<Found, StreamError> {
    let limit = ReadLimit { records_max: 100, bytes_max: 1 << 20, wait: false };
    let mut found = Found::default();
    let description = store.describe(stream).await?;
    for shard in description.shards.iter() {
        let mut next = match store.locate(stream, shard.id, StartingPosition::TrimHorizon).await {
            Err(StreamError::ShardNotFound { .. }) => continue,
            located => located?,
        };
        loop {
            let batch = match store.read(stream, shard.id, next, limit).await {
                Err(StreamError::ShardNotFound { .. }) => break,
                Err(StreamError::Trimmed { oldest, .. }) => {
                    next = oldest;
                    continue;
                }
                batch => batch?,
            };
            next = batch.next;
            found.lost += batch.lost;
            found.records.extend(batch.records.into_iter().map(|record| (shard.id, record)));
            if batch.end_of_shard || next >= batch.tip {
                break;
            }
        }
    }
    Ok(found)
}

/// Compares; `age` says how old a put may be by now, and `retention` how long records are kept.
pub(super) fn check(
    source: &mut Source,
    found: &Found,
    age: impl Fn(Duration) -> Duration,
    retention: Duration,
) -> Result<(), String> {
    let mut places: BTreeMap<u64, (ShardId, &Record)> = BTreeMap::new();
    let mut last: BTreeMap<ShardId, &Record> = BTreeMap::new();
    for (shard, record) in &found.records {
        if let Some(before) = last.insert(*shard, record)
            && (before.sequence_number >= record.sequence_number || before.arrived_at > record.arrived_at)
        {
            return Err(format!("{shard} is out of order at {:?}", record.sequence_number));
        }
        let Some(Content { id }) = Content::of(&record.data) else {
            return Err(format!("{shard} has a record that nobody put: {record:?}"));
        };
        if places.insert(id, (*shard, record)).is_some() {
            return Err(format!("record {id} is there twice"));
        }
    }
    for (id, (shard, record)) in &places {
        let Some(put) = source.puts.get_mut(id) else {
            return Err(format!("record {id} is there, and its producer was told that it is not"));
        };
        if put.gone {
            return Err(format!("record {id} is there, and should be gone with an earlier stream"));
        }
        if put.data != record.data {
            return Err(format!("record {id} has other bytes"));
        }
        if let Some(Appended { shard: told, sequence_number, .. }) = put.place
            && (told, sequence_number) != (*shard, record.sequence_number)
        {
            return Err(format!("record {id} is not where its producer was told"));
        }
        put.place.get_or_insert(Appended {
            shard: *shard,
            sequence_number: record.sequence_number,
            arrived_at: record.arrived_at,
        });
        put.seen = true;
    }
    let is_young = |put: &Put| age(put.at) + TOLERANCE < retention;
    let damaged = source.puts.values().filter(|put| put.damaged && is_young(put)).count() as u64;
    if found.lost < damaged {
        return Err(format!("damage took {damaged} records, and readers are told of {}", found.lost));
    }
    let lost = source.kept().find(|(id, put)| !places.contains_key(id) && is_young(put));
    match lost {
        Some((id, put)) => Err(format!("record {id} is gone: {put:?}, {:?} old", age(put.at))),
        None => Ok(()),
    }
}
