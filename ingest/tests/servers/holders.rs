//! Two processes that believe to be the same consumer, and one that comes after another.

use bytes::Bytes;
use model::checkpoint::{Checkpoint, Position};
use model::name::ConsumerName;
use model::sequence_number::SequenceNumber;
use model::shard::{Reshard, ShardId};
use model::stream_store::{StreamError, StreamStore};

use crate::common::{create, entry, name, open, read_all, single};

const PROCESSES: usize = 3;
const ROUNDS: usize = 4;

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
