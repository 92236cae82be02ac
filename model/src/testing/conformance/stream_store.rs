//! What every [`StreamStore`] promises.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures::FutureExt;
use futures::future::join_all;

use crate::clock::{Clock, Timestamp};
use crate::name::{ConsumerName, StreamName};
use crate::stream::checkpoint::{Checkpoint, Position};
use crate::stream::consumer::StreamReader;
use crate::stream::hash_key::{HashKey, HashKeyRange, PartitionKey};
use crate::stream::put_run::{PutRun, RunEntry, RunKeys};
use crate::stream::record::{Appended, PutEntry, Record};
use crate::stream::sequence_number::SequenceNumber;
use crate::stream::settings::{RegisteredConsumer, ShardMetric, StreamMode, StreamSettings, Tags};
use crate::stream::shard::{Reshard, ShardId};
use crate::stream::store::{AppendError, ReadLimit, StartingPosition, StreamError, StreamOptions, StreamStore};
use crate::testing::clock::ManualClock;
use crate::testing::conformance::backend::{Backend, Late, Time};

const ALL: ReadLimit = ReadLimit { records_max: 1_000_000, bytes_max: usize::MAX, wait: false };

fn name(text: &str) -> StreamName {
    StreamName::new(text).expect("a valid name")
}

fn entry(key: &str, data: impl Into<Bytes>) -> PutEntry {
    PutEntry::new(PartitionKey::new(key.to_owned()).expect("a valid key"), data)
}

async fn put(store: &dyn StreamStore, stream: &StreamName, entries: Vec<PutEntry>) -> Vec<Appended> {
    let batch = store.append(stream, entries).await.expect("append");
    let appended: Vec<Appended> = batch.results.into_iter().map(|result| result.expect("taken")).collect();
    let owned = |appended: &Appended| batch.stream.shards.get(appended.shard).is_some();
    assert!(batch.stream.name == *stream && appended.iter().all(owned), "{:?}", batch.stream);
    appended
}

async fn read_all(store: &dyn StreamStore, stream: &StreamName, shard: ShardId) -> Vec<Record> {
    let mut records = Vec::new();
    let mut from = store.locate(stream, shard, StartingPosition::TrimHorizon).await.expect("locate");
    loop {
        let batch = store.read(stream, shard, from, ALL).await.expect("read");
        from = batch.next;
        let done = batch.records.is_empty() || batch.next == batch.tip;
        records.extend(batch.records);
        if done {
            return records;
        }
    }
}

async fn data_of(store: &dyn StreamStore, stream: &StreamName, shard: ShardId) -> Vec<Bytes> {
    read_all(store, stream, shard).await.into_iter().map(|record| record.data).collect()
}

async fn create(store: &dyn StreamStore, text: &str, shards: u32) -> StreamName {
    let stream = name(text);
    store.create(&stream, StreamOptions { shards, ..StreamOptions::default() }).await.expect("create");
    stream
}

/// Runs the suite on an empty store that takes its time from `clock`.
pub async fn stream_store(store: Arc<dyn StreamStore>, clock: &ManualClock) {
    stream_store_of(store, &Backend { clock: Some(clock), merges: true }).await;
}

/// Runs the suite on an empty store of a backend.
pub async fn stream_store_of(store: Arc<dyn StreamStore>, backend: &Backend<'_>) {
    streams_come_and_go(&*store).await;
    numbers_never_come_twice(&store).await;
    records_are_kept_in_order(&*store, &mut backend.time()).await;
    appends_from_many_callers_all_stand(&*store).await;
    explicit_hash_keys_choose_the_shard(&*store).await;
    starting_positions_are_exact(&*store, &mut backend.time()).await;
    limits_cut_reads(&*store).await;
    waiting_reads_wake(&*store).await;
    time_is_promised_and_kept(&*store, backend).await;
    too_large_entries_are_refused_alone(&*store).await;
    runs_are_appended_as_their_entries_are(&*store).await;
    commits_are_fenced_and_whole(&*store).await;
    resharding_keeps_order_per_key(&store, backend).await;
    resharding_to_equal_widths_is_one_step(&*store, backend).await;
    backend.timed(async |time| retention_drops_the_old(&*store, time).await).await;
    backend.timed(async |time| closed_shards_stay_as_long_as_records(&*store, time).await).await;
    settings_are_replaced_whole(&*store).await;
    backend.timed(async |time| a_shorter_retention_holds_at_once(&*store, time).await).await;
}

async fn streams_come_and_go(store: &dyn StreamStore) {
    let stream = create(store, "come-and-go", 3).await;
    assert!(matches!(store.create(&stream, StreamOptions::default()).await, Err(StreamError::Exists(_))));
    let description = store.describe(&stream).await.expect("describe");
    assert_eq!(description.shards.open_count(), 3);
    assert_eq!(description.settings, StreamOptions::default().settings());
    put(store, &stream, vec![entry("a", "old")]).await;
    assert!(store.list().await.expect("list").contains(&stream));
    store.delete(&stream).await.expect("delete");
    assert!(matches!(store.describe(&stream).await, Err(StreamError::NotFound(_))));
    assert!(matches!(store.delete(&stream).await, Err(StreamError::NotFound(_))));
    assert!(matches!(store.append(&stream, vec![entry("a", "b")]).await, Err(StreamError::NotFound(_))));
    assert!(!store.list().await.expect("list").contains(&stream));
    create(store, "come-and-go", 1).await;
    assert!(data_of(store, &stream, ShardId(0)).await.is_empty(), "a new stream holds nothing of the old one");
    let missing = store.read(&stream, ShardId(9), SequenceNumber::FIRST, ALL).await;
    assert!(matches!(missing, Err(StreamError::ShardNotFound { shard: ShardId(9), .. })), "{missing:?}");
}

async fn records_are_kept_in_order(store: &dyn StreamStore, time: &mut Time<'_>) {
    let stream = create(store, "order", 4).await;
    let map = store.describe(&stream).await.expect("describe").shards.clone();
    let mut expected: BTreeMap<ShardId, Vec<(SequenceNumber, String, Bytes)>> = BTreeMap::new();
    for call in 0..20 {
        time.pass(Duration::from_millis(call % 3)).await;
        let keys: Vec<String> = (0..10).map(|i| format!("key-{}", (call * 7 + i) % 13)).collect();
        let datas: Vec<Bytes> = (0..10).map(|i| Bytes::from(format!("{call}/{i}").repeat(i as usize))).collect();
        let entries = keys.iter().zip(&datas).map(|(key, data)| entry(key, data.clone())).collect();
        for ((appended, key), data) in put(store, &stream, entries).await.into_iter().zip(keys).zip(datas) {
            let hash = PartitionKey::new(key.clone()).expect("valid").hash_key();
            assert_eq!(appended.shard, map.route(hash));
            expected.entry(appended.shard).or_default().push((appended.sequence_number, key, data));
        }
    }
    for shard in map.iter() {
        let records = read_all(store, &stream, shard.id).await;
        assert!(records.windows(2).all(|pair| pair[0].arrived_at <= pair[1].arrived_at));
        assert!(records.windows(2).all(|pair| pair[0].sequence_number < pair[1].sequence_number));
        let found: Vec<_> = records
            .into_iter()
            .map(|record| (record.sequence_number, record.partition_key.as_str().to_owned(), record.data))
            .collect();
        assert_eq!(found, expected.remove(&shard.id).unwrap_or_default());
    }
}

async fn appends_from_many_callers_all_stand(store: &dyn StreamStore) {
    let stream = create(store, "many-callers", 2).await;
    let calls = (0..50).map(|i| put(store, &stream, vec![entry(&format!("{i}"), format!("{i}"))]));
    let mut appended: Vec<_> =
        join_all(calls).await.into_iter().flatten().map(|a| (a.shard, a.sequence_number)).collect();
    appended.sort_unstable();
    appended.dedup();
    assert_eq!(appended.len(), 50, "no number is given twice");
    let mut found: Vec<_> = data_of(store, &stream, ShardId(0)).await;
    found.extend(data_of(store, &stream, ShardId(1)).await);
    assert_eq!(found.len(), 50);
}

async fn explicit_hash_keys_choose_the_shard(store: &dyn StreamStore) {
    let stream = create(store, "explicit", 2).await;
    for (hash, shard) in [(HashKey::MIN, ShardId(0)), (HashKey::MAX, ShardId(1))] {
        let chosen = PutEntry { explicit_hash_key: Some(hash), ..entry("same key", "x") };
        assert_eq!(put(store, &stream, vec![chosen]).await[0].shard, shard);
    }
}

async fn starting_positions_are_exact(store: &dyn StreamStore, time: &mut Time<'_>) {
    let stream = create(store, "positions", 1).await;
    let shard = ShardId(0);
    let mut put_at = Vec::new();
    for i in 0..5 {
        put_at.push(put(store, &stream, vec![entry("k", format!("{i}"))]).await[0]);
        time.pass(Duration::from_millis(100)).await;
    }
    let first_from = |position| {
        let stream = &stream;
        async move {
            let from = store.locate(stream, shard, position).await.expect("locate");
            let batch = store.read(stream, shard, from, ALL).await.expect("read");
            batch.records.first().map(|record| String::from_utf8_lossy(&record.data).into_owned())
        }
    };
    let number = |i: usize| put_at[i].sequence_number;
    assert_eq!(first_from(StartingPosition::TrimHorizon).await.as_deref(), Some("0"));
    assert_eq!(first_from(StartingPosition::Latest).await, None);
    assert_eq!(first_from(StartingPosition::At(number(2))).await.as_deref(), Some("2"));
    assert_eq!(first_from(StartingPosition::After(number(2))).await.as_deref(), Some("3"));
    assert_eq!(first_from(StartingPosition::After(number(4))).await, None);
    assert_eq!(first_from(StartingPosition::After(SequenceNumber(u64::MAX))).await, None);
    assert_eq!(first_from(StartingPosition::At(SequenceNumber(u64::MAX))).await, None);
    assert_eq!(first_from(StartingPosition::AtTime(put_at[3].arrived_at)).await.as_deref(), Some("3"));
    let just_after = put_at[1].arrived_at + Duration::from_millis(1);
    assert_eq!(first_from(StartingPosition::AtTime(just_after)).await.as_deref(), Some("2"));
    let after_all = put_at[4].arrived_at + Duration::from_millis(1);
    assert_eq!(first_from(StartingPosition::AtTime(after_all)).await, None);
    assert_eq!(first_from(StartingPosition::AtTime(Timestamp::MIN)).await.as_deref(), Some("0"));

    let latest = store.locate(&stream, shard, StartingPosition::Latest).await.expect("locate");
    put(store, &stream, vec![entry("k", "after latest")]).await;
    let batch = store.read(&stream, shard, latest, ALL).await.expect("read");
    assert_eq!(batch.records.iter().map(|record| &record.data[..]).collect::<Vec<_>>(), [b"after latest"]);
}

async fn limits_cut_reads(store: &dyn StreamStore) {
    let stream = create(store, "limits", 1).await;
    put(store, &stream, (0..10).map(|i| entry("k", format!("{i}").repeat(100))).collect()).await;
    let read = |from, records_max, bytes_max| {
        store.read(&stream, ShardId(0), from, ReadLimit { records_max, bytes_max, wait: false })
    };
    let batch = read(SequenceNumber::FIRST, 3, usize::MAX).await.expect("read");
    assert_eq!(batch.records.len(), 3);
    assert!(batch.next < batch.tip);
    let batch = read(batch.next, 100, 1).await.expect("read");
    assert_eq!(batch.records.len(), 1, "one record always fits");
    let batch = read(batch.next, 100, 250).await.expect("read");
    assert_eq!(batch.records.len(), 3, "stops after the record that reaches the limit");
    let batch = read(batch.next, 100, usize::MAX).await.expect("read");
    assert_eq!((batch.records.len(), batch.next == batch.tip), (3, true));
}

async fn waiting_reads_wake(store: &dyn StreamStore) {
    let stream = create(store, "waiting", 1).await;
    let wait = ReadLimit { wait: true, ..ALL };
    let mut read = std::pin::pin!(store.read(&stream, ShardId(0), SequenceNumber::FIRST, wait));
    assert!(read.as_mut().now_or_never().is_none(), "nothing to read yet");
    let (appended, batch) = tokio::join!(put(store, &stream, vec![entry("k", "news")]), read);
    let batch = batch.expect("read");
    assert_eq!((appended.len(), &batch.records[0].data[..]), (1, &b"news"[..]));
}

async fn time_is_promised_and_kept(store: &dyn StreamStore, backend: &Backend<'_>) {
    let stream = create(store, "time", 1).await;
    let first = put(store, &stream, vec![entry("k", "1")]).await[0];
    let read = || store.read(&stream, ShardId(0), SequenceNumber::FIRST, ALL);
    let promised = match backend.clock {
        Some(clock) => {
            let begin = clock.now();
            clock.advance(Duration::from_secs(60));
            let batch = read().await.expect("read");
            assert_eq!(batch.complete_until, clock.now(), "at the tip, time is complete until now");
            clock.set(begin);
            batch.complete_until
        }
        None => {
            backend
                .eventually("time goes on at the tip though nothing arrives", async || {
                    let until = read().await.expect("read").complete_until;
                    (first.arrived_at + Duration::from_millis(1) < until).then_some(until)
                })
                .await
        }
    };
    let appended = put(store, &stream, vec![entry("k", "2")]).await;
    assert!(appended[0].arrived_at >= promised, "a clock set back does not break the promise");
    backend.time().pass(Duration::from_secs(120)).await;
    put(store, &stream, vec![entry("k", "3")]).await;
    let one = ReadLimit { records_max: 1, ..ALL };
    let batch = store.read(&stream, ShardId(0), SequenceNumber::FIRST, one).await.expect("read");
    let rest = store.read(&stream, ShardId(0), batch.next, ALL).await.expect("read");
    assert_eq!(rest.records.len(), 2);
    assert!(rest.records.iter().all(|record| record.arrived_at >= batch.complete_until));
}

async fn too_large_entries_are_refused_alone(store: &dyn StreamStore) {
    let stream = name("too-large");
    let options = StreamOptions { record_bytes_max: 1024, ..StreamOptions::default() };
    store.create(&stream, options).await.expect("create");
    let entries = vec![entry("k", "fits"), entry("k", vec![0; 1024]), entry("k", vec![1; 1023])];
    let results = store.append(&stream, entries).await.expect("append").results;
    assert!(results[0].is_ok() && results[2].is_ok());
    assert_eq!(results[1], Err(AppendError::TooLarge { bytes: 1025, bytes_max: 1024 }));
    assert_eq!(read_all(store, &stream, ShardId(0)).await.len(), 2);
}

async fn runs_are_appended_as_their_entries_are(store: &dyn StreamStore) {
    let stream = name("runs");
    let options = StreamOptions { shards: 3, record_bytes_max: 1024, ..StreamOptions::default() };
    store.create(&stream, options).await.expect("create");
    let mut keys = RunKeys::default();
    (0..20).for_each(|key| _ = keys.add(PartitionKey::new(format!("key-{key}")).expect("a valid key")));
    let size = |place: u32| if place == 77 { 1100 } else { place % 50 };
    let entries: Vec<RunEntry> = (0..300).map(|place| RunEntry { key: place * 7 % 20, bytes: size(place) }).collect();
    let data: Vec<u8> = (0..300).flat_map(|place| vec![place as u8; size(place) as usize]).collect();
    let run = PutRun::new(Arc::new(keys), entries, data.into());
    let mut expected: Vec<(String, Bytes)> = run
        .to_entries()
        .into_iter()
        .map(|entry| (entry.partition_key.as_str().to_owned(), entry.data))
        .filter(|(_, data)| data.len() <= 1024)
        .collect();
    let refused = store.append_run(&stream, run).await.expect("append");
    assert_eq!(refused, [(77, AppendError::TooLarge { bytes: 1106, bytes_max: 1024 })]);
    let shards = store.describe(&stream).await.expect("describe").shards.clone();
    let mut found = Vec::new();
    for shard in 0..3 {
        for record in read_all(store, &stream, ShardId(shard)).await {
            assert_eq!(shards.route(record.partition_key.hash_key()), ShardId(shard));
            found.push((record.partition_key.as_str().to_owned(), record.data));
        }
    }
    // Those of one key keep their order.
    found.sort_by(|one, other| one.0.cmp(&other.0));
    expected.sort_by(|one, other| one.0.cmp(&other.0));
    assert_eq!(found, expected);
}

async fn commits_are_fenced_and_whole(store: &dyn StreamStore) {
    let stream = create(store, "commits", 2).await;
    let consumer = ConsumerName::new("query").expect("valid");
    assert_eq!(store.checkpoint(&stream, &consumer).await.expect("checkpoint"), None);
    let checkpoint = |version, next| Checkpoint {
        version,
        positions: [(ShardId(3), Position::at(SequenceNumber(next)))].into(),
        state: Bytes::from(format!("state {version}")),
    };
    let outputs = || (0..6).map(|i| entry(&format!("key-{i}"), format!("row {i}"))).collect::<Vec<_>>();
    let appended = store.commit(&stream, &consumer, checkpoint(1, 10), outputs()).await.expect("commit");
    assert_eq!(appended.len(), 6);
    let again = store.commit(&stream, &consumer, checkpoint(1, 99), outputs()).await;
    assert!(matches!(again, Err(StreamError::CheckpointConflict { expected: 0, found: 1, .. })), "{again:?}");
    store.commit(&stream, &consumer, checkpoint(2, 20), Vec::new()).await.expect("a commit without outputs");
    let other = ConsumerName::new("other").expect("valid");
    store.commit(&stream, &other, checkpoint(1, 7), Vec::new()).await.expect("consumers do not share versions");
    assert_eq!(store.checkpoint(&stream, &consumer).await.expect("checkpoint"), Some(checkpoint(2, 20)));

    let too_large = vec![entry("k", "fits"), entry("k", vec![0; 2 << 20])];
    let refused = store.commit(&stream, &consumer, checkpoint(3, 30), too_large).await;
    assert!(matches!(refused, Err(StreamError::InvalidCommit { .. })), "{refused:?}");
    assert_eq!(store.checkpoint(&stream, &consumer).await.expect("checkpoint"), Some(checkpoint(2, 20)));
    let mut rows = data_of(store, &stream, ShardId(0)).await;
    rows.extend(data_of(store, &stream, ShardId(1)).await);
    rows.sort_unstable();
    assert_eq!(rows, (0..6).map(|i| Bytes::from(format!("row {i}"))).collect::<Vec<_>>(), "rows are there once");
}

async fn resharding_keeps_order_per_key(store: &Arc<dyn StreamStore>, backend: &Backend<'_>) {
    let stream = create(&**store, "reshard", 1).await;
    let mut count = 0;
    let mut put_some = async || {
        let entries = (0..20).map(|i| entry(&format!("key-{i}"), format!("{count}"))).collect();
        count += 1;
        put(&**store, &stream, entries).await;
    };
    put_some().await;
    let middle = HashKey(1 << 127);
    store.reshard(&stream, Reshard::Split { shard: ShardId(0), at: middle }).await.expect("split");
    put_some().await;
    let refused = store.reshard(&stream, Reshard::Split { shard: ShardId(0), at: middle }).await;
    assert!(matches!(refused, Err(StreamError::Reshard { .. })), "a closed shard cannot be split: {refused:?}");
    let merge = Reshard::Merge { shard: ShardId(1), adjacent: ShardId(2) };
    let merged = store.reshard(&stream, merge).await;
    if backend.merges {
        let open: Vec<_> = merged.expect("merge").shards.open().map(|shard| shard.id).collect();
        assert_eq!(open, [ShardId(3)]);
    } else {
        assert!(matches!(merged, Err(StreamError::Reshard { .. })), "a merge is refused: {merged:?}");
    }
    put_some().await;

    let horizon = StartingPosition::TrimHorizon;
    let mut reader =
        StreamReader::open(Arc::clone(store), stream.clone(), BTreeMap::new(), horizon).await.expect("open");
    let mut per_key: BTreeMap<String, Vec<Bytes>> = BTreeMap::new();
    let mut records = 0;
    while records < 60 {
        let batch = reader.next().await.expect("next");
        records += batch.records.len();
        for record in batch.records {
            per_key.entry(record.partition_key.as_str().to_owned()).or_default().push(record.data);
        }
    }
    assert_eq!(per_key.len(), 20);
    assert!(per_key.values().all(|rounds| rounds == &["0", "1", "2"]), "{per_key:?}");
    assert!(reader.next().now_or_never().is_none(), "nothing comes twice");
    let first = store.describe(&stream).await.expect("describe").shards.get(ShardId(0)).expect("kept").first;
    let ended = store.read(&stream, ShardId(0), first.plus(20), ALL).await.expect("read");
    assert!(ended.end_of_shard && ended.records.is_empty());
}

async fn retention_drops_the_old(store: &dyn StreamStore, mut time: Time<'_>) -> Result<(), Late> {
    let stream = name(&time.name("retention"));
    let options = StreamOptions { retention: time.span(Duration::from_secs(3600)), ..StreamOptions::default() };
    store.create(&stream, options).await.expect("create");
    let consumer = ConsumerName::new("slow").expect("valid");
    let checkpoint = Checkpoint { version: 1, ..Checkpoint::default() };
    store.commit(&stream, &consumer, checkpoint.clone(), Vec::new()).await.expect("commit");
    // Enough bytes that a backend which drops whole files has whole files to drop.
    for _ in 0..64 {
        put(store, &stream, vec![entry("k", vec![7; 64 << 10])]).await;
    }
    time.restart();
    time.pass(Duration::from_secs(2 * 3600)).await;
    let young = put(store, &stream, vec![entry("k", "young")]).await[0];
    store.trim(&stream).await.expect("trim");
    let oldest = store.locate(&stream, ShardId(0), StartingPosition::TrimHorizon).await.expect("locate");
    time.on_time()?;
    assert!(SequenceNumber::FIRST < oldest && oldest <= young.sequence_number, "{oldest}");
    let trimmed = store.read(&stream, ShardId(0), SequenceNumber::FIRST, ALL).await;
    assert!(matches!(&trimmed, Err(StreamError::Trimmed { oldest: at, .. }) if *at == oldest), "{trimmed:?}");
    let mut records = read_all(store, &stream, ShardId(0)).await;
    time.on_time()?;
    let last = records.pop().expect("the young record is kept");
    assert_eq!((last.sequence_number, &last.data[..]), (young.sequence_number, &b"young"[..]));
    let kept = store.checkpoint(&stream, &consumer).await.expect("checkpoint");
    assert_eq!(kept, Some(checkpoint), "a checkpoint outlives the records");
    Ok(())
}

async fn resharding_to_equal_widths_is_one_step(store: &dyn StreamStore, backend: &Backend<'_>) {
    let stream = create(store, "uniform", 1).await;
    for shards in if backend.merges { [3, 2, 5] } else { [2, 3, 5] } {
        let description = store.reshard(&stream, Reshard::Uniform { shards }).await.expect("uniform");
        let ranges: Vec<_> = description.shards.open().map(|shard| shard.range).collect();
        assert_eq!(ranges, HashKeyRange::uniform(shards));
        put(store, &stream, (0..20).map(|i| entry(&format!("key-{i}"), format!("{shards}"))).collect()).await;
    }
    let map = store.describe(&stream).await.expect("describe").shards.clone();
    let mut found = Vec::new();
    for shard in map.iter() {
        let records = read_all(store, &stream, shard.id).await;
        assert!(records.iter().all(|record| shard.first <= record.sequence_number));
        found.extend(records.into_iter().map(|record| record.data));
    }
    assert_eq!(found.len(), 60);
}

/// A stream goes and another one of its name comes, under a consumer.
async fn numbers_never_come_twice(store: &Arc<dyn StreamStore>) {
    let (mut above, mut positions) = (SequenceNumber::FIRST, BTreeMap::new());
    for (life, shards) in [3, 1, 2, 2].into_iter().enumerate() {
        let stream = create(&**store, "lives", shards).await;
        let description = store.describe(&stream).await.expect("describe");
        assert!(life == 0 || above < description.lives.first, "a new stream begins above the earlier ones");
        let appended =
            put(&**store, &stream, (0..9).map(|i| entry(&format!("k{i}"), format!("{life}"))).collect()).await;
        assert!(appended.iter().all(|appended| description.lives.first <= appended.sequence_number));
        above = appended.iter().map(|appended| appended.sequence_number).max().expect("some were put");

        let begin = StartingPosition::Latest;
        let reader = StreamReader::open(Arc::clone(store), stream.clone(), positions.clone(), begin).await;
        let mut reader = reader.expect("open");
        // Of each life but the first, the consumer has read nothing when it goes.
        assert_eq!(reader.deleted(), (life > 0).then_some(life as u64 * 10), "what was not read is counted");
        if life == 0 {
            positions = reader.positions().clone();
            for position in positions.values_mut() {
                position.next = description.lives.first;
            }
            assert!(reader.next().now_or_never().is_none(), "it begins at the tip");
        } else {
            let mut records = Vec::new();
            while records.len() < 9 {
                records.extend(reader.next().await.expect("next").records);
            }
            assert!(records.iter().all(|record| record.data == format!("{life}")), "it begins at the beginning");
        }
        store.delete(&stream).await.expect("delete");
        let gone = reader.next().await;
        assert!(matches!(gone, Err(StreamError::NotFound(_))), "{gone:?}");
        let another = create(&**store, "lives", 1).await;
        put(&**store, &another, vec![entry("k", "another")]).await;
        let another = reader.next().await;
        assert!(matches!(another, Err(StreamError::NotFound(_))), "a reader does not go on in another stream");
        store.delete(&stream).await.expect("delete");
    }
}

async fn closed_shards_stay_as_long_as_records(store: &dyn StreamStore, mut time: Time<'_>) -> Result<(), Late> {
    let stream = name(&time.name("closed-shards"));
    let options = StreamOptions { retention: time.span(Duration::from_secs(3600)), ..StreamOptions::default() };
    store.create(&stream, options).await.expect("create");
    time.pass(Duration::from_secs(3000)).await;
    store.reshard(&stream, Reshard::Uniform { shards: 2 }).await.expect("split");
    store.trim(&stream).await.expect("trim");
    time.pass(Duration::from_secs(1800)).await;
    store.trim(&stream).await.expect("trim");
    let ended = store.read(&stream, ShardId(0), SequenceNumber::FIRST, ReadLimit { wait: true, ..ALL }).await;
    time.on_time()?;
    let ended = ended.expect("closed half an hour ago");
    assert!(ended.end_of_shard && ended.records.is_empty(), "a shard without records leads to its children too");
    time.pass(Duration::from_secs(4 * 3600)).await;
    store.trim(&stream).await.expect("trim");
    let gone = store.read(&stream, ShardId(0), SequenceNumber::FIRST, ALL).await;
    assert!(matches!(gone, Err(StreamError::ShardNotFound { .. })), "{gone:?}");
    assert_eq!(store.describe(&stream).await.expect("describe").shards.open_count(), 2);
    Ok(())
}

async fn settings_are_replaced_whole(store: &dyn StreamStore) {
    let stream = create(store, "settings", 1).await;
    let before = store.describe(&stream).await.expect("describe").settings.clone();
    let consumer =
        RegisteredConsumer { created_at: Timestamp::from_millis(7), tags: Tags::new(), policy: Some("{}".to_owned()) };
    let after = StreamSettings {
        mode: StreamMode::OnDemand,
        record_bytes_max: 2 << 20,
        tags: [("team".to_owned(), "rides".to_owned())].into(),
        policy: Some("{}".to_owned()),
        consumers: [(ConsumerName::new("push").expect("valid"), consumer)].into(),
        shard_metrics: [ShardMetric::IncomingBytes].into(),
        warm_throughput_mibps: Some(8),
        mode_changed_at: vec![Timestamp::from_millis(5)],
        shard_count_set_at: vec![Timestamp::from_millis(6)],
        ..before.clone()
    };
    let large = || vec![entry("k", vec![0; 3 << 19])];
    assert!(store.append(&stream, large()).await.expect("append").results[0].is_err(), "over 1 MiB");
    let description = store.alter(&stream, &before, after.clone()).await.expect("alter");
    assert_eq!(description.settings, after);
    put(store, &stream, large()).await;
    let late = store.alter(&stream, &before, before.clone()).await;
    assert!(matches!(late, Err(StreamError::SettingsConflict(_))), "{late:?}");
    store.reshard(&stream, Reshard::Uniform { shards: 2 }).await.expect("reshard");
    store.trim(&stream).await.expect("trim");
    assert_eq!(store.describe(&stream).await.expect("describe").settings, after);
    let encrypted = StreamSettings { encryption_key: Some("alias/of-nobody".to_owned()), ..after.clone() };
    let keyless = store.alter(&stream, &after, encrypted).await;
    assert!(matches!(keyless, Err(StreamError::KeyMissing { .. })), "never a flag without effect: {keyless:?}");
    assert_eq!(store.describe(&stream).await.expect("describe").settings, after);
    let missing = store.alter(&name("nothing"), &before, after).await;
    assert!(matches!(missing, Err(StreamError::NotFound(_))), "{missing:?}");
}

async fn a_shorter_retention_holds_at_once(store: &dyn StreamStore, mut time: Time<'_>) -> Result<(), Late> {
    let stream = create(store, &time.name("shorter"), 2).await;
    let hours = |hours: u64| Duration::from_secs(hours * 3600);
    let keys = ["a", "b", "c", "d", "e", "f"];
    for hour in 0..12 {
        put(store, &stream, keys.iter().map(|key| entry(key, format!("{hour}"))).collect()).await;
        time.pass(hours(1)).await;
    }
    // Half an hour more, so that records stand clear of the borders.
    let half = Duration::from_secs(1800);
    let [five, eight] = [hours(5), hours(8)].map(|retention| time.span(retention + half));
    let alter = async |retention| {
        let before = store.describe(&stream).await.expect("describe").settings.clone();
        let after = StreamSettings { retention, ..before.clone() };
        store.alter(&stream, &before, after).await.expect("alter");
    };
    let oldest_hours = async || {
        let mut oldest = Vec::new();
        for shard in [ShardId(0), ShardId(1)] {
            let records = read_all(store, &stream, shard).await;
            let late = store.locate(&stream, shard, StartingPosition::AtTime(Timestamp::MIN)).await.expect("locate");
            assert_eq!(Some(late), records.first().map(|record| record.sequence_number));
            let first =
                store.locate(&stream, shard, StartingPosition::At(SequenceNumber::FIRST)).await.expect("locate");
            assert_eq!(first, late);
            oldest.push(String::from_utf8_lossy(&records[0].data).into_owned());
        }
        oldest
    };
    let check = async |time: &Time<'_>, hour: &str, why: &str| {
        let oldest = oldest_hours().await;
        time.on_time().map(|()| assert_eq!(oldest, [hour, hour], "{why}"))
    };
    check(&time, "0", "all is kept").await?;
    alter(five).await;
    check(&time, "7", "five hours are kept").await?;
    let expired = store.read(&stream, ShardId(0), SequenceNumber(1), ALL).await;
    let oldest = store.locate(&stream, ShardId(0), StartingPosition::TrimHorizon).await.expect("locate");
    assert!(matches!(&expired, Err(StreamError::Trimmed { oldest: at, .. }) if *at == oldest), "{expired:?}");
    alter(eight).await;
    check(&time, "7", "what was dropped does not come back").await?;
    time.pass(hours(2)).await;
    store.trim(&stream).await.expect("trim");
    check(&time, "7", "young enough").await?;
    time.pass(hours(2)).await;
    store.trim(&stream).await.expect("trim");
    check(&time, "8", "eight hours are kept").await
}
