//! A run of small records, routed a key at a time and encoded into blocks: two passes over the run, no allocation a record.

use std::sync::Arc;

use bytes::{BufMut, BytesMut};
use model::stream::put_run::{PutRun, RunEntry};
use model::stream::shard::{ShardId, ShardMap};
use model::stream::store::{AppendError, StreamDescription, StreamError};

use crate::log::frames::block::{RECORD_ENTRY_BYTES, Unnumbered};
use crate::log::stream::StreamLog;
use crate::log::write::batch::{BLOCK_BYTES_MAX, Placed};
use crate::log::write::queue::{ENTRY_OVERHEAD_BYTES, Job};

/// An entry, and where its data begins.
type Located = (RunEntry, usize);

impl StreamLog {
    /// Appends a run and waits until it is durable; returns the entries that were not taken. Waits for room, and lets no
    /// commit wait for its sake.
    pub(crate) async fn append_run(&self, run: PutRun) -> Result<Vec<(usize, AppendError)>, StreamError> {
        let description = self.description();
        let (fitting, refused) = fitting(&run, description.settings.record_bytes_max);
        if !fitting.is_empty() {
            let bytes: usize = fitting.iter().map(|(entry, _)| entry.bytes as usize + ENTRY_OVERHEAD_BYTES).sum();
            self.queue.admit_patiently(bytes).await;
            self.put_blocks(description, |shards| encode(&run, &fitting, shards), bytes).await?;
        }
        Ok(refused)
    }

    /// Has blocks placed: encoded by the map of `stream`, and again by the newer map when a reshard came in between.
    async fn put_blocks(
        &self,
        mut stream: Arc<StreamDescription>,
        encode: impl Fn(&ShardMap) -> Vec<Unnumbered>,
        bytes: usize,
    ) -> Result<Placed, StreamError> {
        loop {
            let blocks = encode(&stream.shards);
            if let Some(placed) = self.ask(|done| Job::Append { blocks, bytes, done }).await? {
                return Ok(placed);
            }
            self.queue.hold(bytes);
            stream = self.description();
        }
    }
}

/// The entries that the stream takes, each with where its data begins; and those that it does not take.
fn fitting(run: &PutRun, bytes_max: usize) -> (Vec<Located>, Vec<(usize, AppendError)>) {
    let (mut fitting, mut refused, mut at) = (Vec::with_capacity(run.entries().len()), Vec::new(), 0);
    for (place, entry) in run.entries().iter().enumerate() {
        let bytes = entry.bytes as usize + run.keys().get(entry.key).0.as_str().len();
        if bytes <= bytes_max {
            fitting.push((*entry, at));
        } else {
            refused.push((place, AppendError::TooLarge { bytes, bytes_max }));
        }
        at += entry.bytes as usize;
    }
    (fitting, refused)
}

/// Blocks of the shards that own the entries' keys; those of one shard keep their order.
fn encode(run: &PutRun, entries: &[Located], shards: &ShardMap) -> Vec<Unnumbered> {
    let mut open = shards.iter().filter(|shard| shard.end.is_none());
    let mut blocks = Vec::new();
    if let (Some(only), None) = (open.next(), open.next()) {
        blocks_of(run, only.id, entries, &mut blocks);
        return blocks;
    }
    let mut routes: Vec<Option<ShardId>> = vec![None; run.keys().len()];
    let mut by_shard: Vec<(ShardId, Vec<Located>)> = Vec::new();
    for entry in entries {
        let key = entry.0.key;
        let shard = *routes[key as usize].get_or_insert_with(|| shards.route(run.keys().get(key).1));
        match by_shard.iter_mut().find(|(known, _)| *known == shard) {
            Some((_, entries)) => entries.push(*entry),
            None => by_shard.push((shard, vec![*entry])),
        }
    }
    by_shard.sort_unstable_by_key(|(shard, _)| *shard);
    for (shard, entries) in by_shard {
        blocks_of(run, shard, &entries, &mut blocks);
    }
    blocks
}

/// Adds the blocks of one shard's entries.
fn blocks_of(run: &PutRun, shard: ShardId, entries: &[Located], blocks: &mut Vec<Unnumbered>) {
    let mut rest = entries;
    while !rest.is_empty() {
        let mut bytes = 0;
        let length = rest.iter().position(|(entry, _)| {
            let full = BLOCK_BYTES_MAX <= bytes;
            bytes += entry.bytes as usize;
            full
        });
        let (block, after) = rest.split_at(length.unwrap_or(rest.len()));
        blocks.push(block_of(run, shard, block));
        rest = after;
    }
}

fn block_of(run: &PutRun, shard: ShardId, entries: &[Located]) -> Unnumbered {
    let key_of = |entry: &RunEntry| run.keys().get(entry.key).0.as_str().as_bytes();
    let bytes: usize =
        entries.iter().map(|(entry, _)| RECORD_ENTRY_BYTES + key_of(entry).len() + entry.bytes as usize).sum();
    let mut out = BytesMut::with_capacity(bytes);
    for (entry, _) in entries {
        let mut lengths = [0; RECORD_ENTRY_BYTES];
        let key_bytes = u16::try_from(key_of(entry).len()).expect("keys are short");
        lengths[..2].copy_from_slice(&key_bytes.to_le_bytes());
        lengths[2..].copy_from_slice(&entry.bytes.to_le_bytes());
        out.put_slice(&lengths);
    }
    for (entry, at) in entries {
        out.put_slice(key_of(entry));
        out.put_slice(&run.data()[*at..*at + entry.bytes as usize]);
    }
    let count = u32::try_from(entries.len()).expect("a job has few entries");
    Unnumbered { shard, count, payload: out.freeze() }
}

#[cfg(test)]
mod tests {
    use model::stream::hash_key::PartitionKey;
    use model::stream::put_run::RunKeys;

    use super::*;
    use crate::log::write::batch::Batch;

    #[test]
    fn a_run_is_encoded_as_its_entries_are() {
        let mut keys = RunKeys::default();
        for source in 0..40 {
            keys.add(PartitionKey::new(source.to_string()).expect("a key"));
        }
        let keys = Arc::new(keys);
        for (shards, count, bytes_max) in [(1, 3000, 100), (4, 3000, 100), (7, 60, 200_000)] {
            let shards = ShardMap::uniform(shards, model::clock::Timestamp::MIN);
            let entry = |n: u32| RunEntry { key: n * 31 % 40, bytes: n * 7919 % bytes_max };
            let entries: Vec<RunEntry> = (0..count).map(entry).collect();
            let bytes: usize = entries.iter().map(|entry| entry.bytes as usize).sum();
            let data: Vec<u8> = (0..bytes).map(|at| (at * 31 % 251) as u8).collect();
            let run = PutRun::new(Arc::clone(&keys), entries, data.into());
            let (fitting, refused) = fitting(&run, usize::MAX);
            assert_eq!(refused, []);
            let blocks = encode(&run, &fitting, &shards);
            let puts = run.to_entries();
            let hashes = model::stream::record::PutEntry::hash_keys(&puts);
            let expected = Batch::new(&puts, &hashes, |_| true, &shards).blocks();
            let plain = |blocks: &[Unnumbered]| -> Vec<_> {
                // Where a block ends is up to the encoder; what a shard gets is not.
                let records = |block: &Unnumbered| {
                    let block = block.clone().numbered(Default::default(), Default::default());
                    let mut read = crate::log::frames::block::Read::default();
                    let all =
                        model::stream::store::ReadLimit { records_max: usize::MAX, bytes_max: usize::MAX, wait: false };
                    block.read_into(block.first, all, &mut read).expect("whole");
                    let shard = block.shard;
                    read.records.into_iter().map(move |record| (shard, record.partition_key, record.data)).collect()
                };
                blocks.iter().flat_map(|block| -> Vec<_> { records(block) }).collect()
            };
            assert_eq!(plain(&blocks), plain(&expected));
        }
    }

    #[test]
    fn records_over_the_streams_limit_are_counted_and_the_others_taken() {
        let mut keys = RunKeys::default();
        keys.add(PartitionKey::new("17").expect("a key"));
        let entries = [10, 99, 98, 0].map(|bytes| RunEntry { key: 0, bytes }).to_vec();
        let run = PutRun::new(Arc::new(keys), entries, vec![7; 207].into());
        let (fitting, refused) = fitting(&run, 100);
        assert_eq!(refused, [(1, AppendError::TooLarge { bytes: 101, bytes_max: 100 })]);
        assert_eq!(
            fitting.iter().map(|(entry, at)| (entry.bytes, *at)).collect::<Vec<_>>(),
            [(10, 0), (98, 109), (0, 207)]
        );
    }
}
