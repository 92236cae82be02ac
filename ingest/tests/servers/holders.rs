//! Two processes that believe to be the same consumer, and one that comes after another.

use std::time::{Duration, Instant};

use bytes::Bytes;
use model::name::ConsumerName;
use model::stream::checkpoint::{Checkpoint, Position};
use model::stream::hash_key::HashKey;
use model::stream::record::PutEntry;
use model::stream::sequence_number::SequenceNumber;
use model::stream::shard::{Reshard, ShardId};
use model::stream::store::{ReadLimit, StartingPosition, StreamError, StreamStore};

use crate::common::{ALL, create, entry, name, open, read_all, single};

const PROCESSES: usize = 3;
const ROUNDS: usize = 4;
/// How long anything may take before a test gives up on it.
const PATIENCE: Duration = Duration::from_secs(60);

fn checkpoint(version: u64, state: usize) -> Checkpoint {
    Checkpoint {
        version,
        positions: [(ShardId(0), Position::at(SequenceNumber(version)))].into(),
        state: Bytes::from(vec![version as u8; state]),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_two_holders_only_one_commits_a_version() {
    let (one, other) = (open(single()).await, open(single()).await);
    let stream = create(&*one, "two-holders", 1).await;
    let consumer = ConsumerName::new("query").unwrap();
    let rows = |who: &str, version: u64| vec![entry("k", format!("{who} {version}"))];
    one.commit(&stream, &consumer, checkpoint(1, 10), rows("one", 1)).await.unwrap();
    assert_eq!(other.checkpoint(&stream, &consumer).await.unwrap(), Some(checkpoint(1, 10)));
    other.commit(&stream, &consumer, checkpoint(2, 20), rows("other", 2)).await.unwrap();
    let late = one.commit(&stream, &consumer, checkpoint(2, 99), rows("one", 2)).await;
    assert!(matches!(late, Err(StreamError::CheckpointConflict { expected: 1, found: 2, .. })), "{late:?}");
    assert_eq!(one.checkpoint(&stream, &consumer).await.unwrap(), Some(checkpoint(2, 20)));
    one.commit(&stream, &consumer, checkpoint(3, 30), rows("one", 3)).await.unwrap();
    assert_eq!(read_all(&*other, &stream).await, ["one 1", "other 2", "one 3"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn processes_that_change_streams_at_once_take_turns() {
    let change = |process: usize| async move {
        let store = open(single()).await;
        for round in 0..ROUNDS {
            let stream = create(&*store, &format!("turns-{process}-{round}"), 1).await;
            store.reshard(&stream, Reshard::Uniform { shards: 2 }).await.unwrap();
        }
        store.close().await;
    };
    let processes: Vec<_> = (0..PROCESSES).map(|process| tokio::spawn(change(process))).collect();
    for process in processes {
        process.await.unwrap();
    }
    let store = open(single()).await;
    for (process, round) in (0..PROCESSES).flat_map(|process| (0..ROUNDS).map(move |round| (process, round))) {
        let stream = store.describe(&name(&format!("turns-{process}-{round}"))).await.unwrap();
        assert_eq!(stream.shards.open().count(), 2);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_next_process_finds_everything_as_it_was_left() {
    let store = open(single()).await;
    let stream = create(&*store, "left", 1).await;
    let consumer = ConsumerName::new("query").unwrap();
    for round in 0..3 {
        store.append(&stream, vec![entry("k", format!("{round}"))]).await.unwrap();
        store.reshard(&stream, Reshard::Uniform { shards: 2 + round }).await.unwrap();
    }
    // A state of several messages, then one of fewer: what was cut off does not come back.
    store.commit(&stream, &consumer, checkpoint(1, 3 << 20), Vec::new()).await.unwrap();
    store.commit(&stream, &consumer, checkpoint(2, 1 << 20), Vec::new()).await.unwrap();
    let closed = store.describe(&stream).await.unwrap().shards.clone();
    for shard in closed.iter().filter(|shard| !shard.is_open()) {
        // Ends are the last word once readers are told them.
        let (limit, end) = (ReadLimit { wait: true, ..ALL }, shard.end.unwrap());
        let mut from = store.locate(&stream, shard.id, StartingPosition::TrimHorizon).await.unwrap();
        while !{
            let batch = store.read(&stream, shard.id, from, limit).await.unwrap();
            from = batch.next;
            batch.end_of_shard
        } {}
        assert!(from <= end);
    }
    let before = store.describe(&stream).await.unwrap();
    store.close().await;
    drop(store);

    let store = open(single()).await;
    assert_eq!(store.describe(&stream).await.unwrap(), before);
    assert_eq!(store.checkpoint(&stream, &consumer).await.unwrap(), Some(checkpoint(2, 1 << 20)));
    assert_eq!(read_all(&*store, &stream).await, ["0", "1", "2"]);
    store.append(&stream, vec![entry("k", "3")]).await.unwrap();
    assert_eq!(read_all(&*store, &stream).await, ["0", "1", "2", "3"]);
}

/// The other process looks at the shard map now and then: what it puts just after a split goes to the parent.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_others_put_into_a_shard_just_after_its_split_is_read_once() {
    let (one, other) = (open(single()).await, open(single()).await);
    let stream = create(&*one, "stragglers", 1).await;
    other.describe(&stream).await.unwrap();
    let (mut put, mut beyond) = (Vec::new(), 0);
    for shards in 2..=ROUNDS as u32 {
        let map = one.reshard(&stream, Reshard::Uniform { shards }).await.unwrap().shards.clone();
        let texts: Vec<String> = (0..40).map(|number| format!("{shards} {number}")).collect();
        // An explicit hash key leaves no trace in the topic, but its record stays among the shard's descendants.
        let at = |number: usize| number.is_multiple_of(2).then(|| HashKey(u128::MAX / 40 * number as u128));
        let entries = texts.iter().enumerate().map(|(number, text)| PutEntry {
            explicit_hash_key: at(number),
            ..entry(&format!("key-{number}"), text.clone())
        });
        for appended in other.append(&stream, entries.collect()).await.unwrap().results {
            let appended = appended.unwrap();
            beyond += usize::from(!map.get(appended.shard).unwrap().is_open());
        }
        put.extend(texts);
    }
    assert!(beyond > 0, "the other process was never late");
    put.sort_unstable();
    let begin = Instant::now();
    loop {
        let mut found = read_all(&*other, &stream).await;
        found.sort_unstable();
        assert!(found.windows(2).all(|pair| pair[0] != pair[1]), "a record is read twice");
        if found == put {
            break;
        }
        assert!(begin.elapsed() < PATIENCE, "{} of {} records are read", found.len(), put.len());
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    // And they are there for whoever comes later.
    one.close().await;
    other.close().await;
    let mut found = read_all(&*open(single()).await, &stream).await;
    found.sort_unstable();
    assert_eq!(found, put);
}
