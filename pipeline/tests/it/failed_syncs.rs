//! A disk that fails to sync once, on a file system without a journal: nothing repairs it between a
//! server that stopped and the next one. What the system keeps in memory then looks as if it were
//! on the disk; once that memory is dropped, what was acknowledged must still be there.

use std::collections::BTreeMap;

use aws_sdk_kinesis::Client;
use aws_sdk_kinesis::error::ProvideErrorMetadata;
use aws_sdk_kinesis::primitives::Blob;
use aws_sdk_kinesis::types::ShardIteratorType;

use crate::rig::Rig;
use crate::server::Server;

const STREAMS: [&str; 3] = ["rides", "trips", "yards"];
/// Records have from so many bytes to so many more, other ones in each round: so a sync fails at
/// another place.
const RECORD_BYTES_MIN: usize = 20_000;
const RECORD_BYTES_SPREAD: usize = 900_000;
/// Spreads the sizes of the rounds.
const STRIDE: usize = 611_953;
/// Puts into each stream after a restart.
const PUTS_AFTER: usize = 3;

/// What was put, by stream and sequence number.
type Acknowledged = BTreeMap<(&'static str, String), usize>;

/// What the server answered.
type Refusal = String;

async fn put(kinesis: &Client, stream: &'static str, bytes: usize, done: &mut Acknowledged) -> Result<(), Refusal> {
    let sent = kinesis.put_record().stream_name(stream).partition_key("key").data(Blob::new(vec![b'x'; bytes])).send();
    match sent.await {
        Ok(put) => {
            let before = done.insert((stream, put.sequence_number), bytes);
            assert!(before.is_none(), "a sequence number was given twice");
            Ok(())
        }
        Err(error) => Err(error.message().unwrap_or_default().to_owned()),
    }
}

/// What a stream has; the error where it cannot be read.
async fn read(kinesis: &Client, stream: &'static str, found: &mut Acknowledged) -> Result<(), Refusal> {
    let begin = kinesis.get_shard_iterator().stream_name(stream).shard_id("shardId-000000000000");
    let begin = begin.shard_iterator_type(ShardIteratorType::TrimHorizon).send().await;
    let mut iterator = begin.map_err(|error| format!("{error:?}"))?.shard_iterator;
    while let Some(at) = iterator {
        let page = kinesis.get_records().shard_iterator(at).send().await.map_err(|error| format!("{error:?}"))?;
        for record in page.records() {
            found.insert((stream, record.sequence_number().to_owned()), record.data().as_ref().len());
        }
        iterator = page.next_shard_iterator.filter(|_| page.millis_behind_latest != Some(0));
    }
    Ok(())
}

/// How one round ended.
#[derive(Debug, Default)]
struct Outcome {
    acknowledged: usize,
    lost: usize,
    unopened: usize,
}

async fn check(kinesis: &Client, acknowledged: &Acknowledged) -> Outcome {
    let (mut found, mut unopened) = (Acknowledged::new(), 0);
    for stream in STREAMS {
        if let Err(refusal) = read(kinesis, stream, &mut found).await {
            println!("{stream} cannot be read: {refusal}");
            unopened += 1;
        }
    }
    let lost = acknowledged.iter().filter(|(place, bytes)| found.get(*place) != Some(bytes)).count();
    Outcome { acknowledged: acknowledged.len(), lost, unopened }
}

/// Memory runs short: what the system believes to be on disks, it reads from there again.
fn drop_caches() {
    if let Err(error) = std::fs::write("/proc/sys/vm/drop_caches", "1") {
        println!("left out: caches are not dropped before a restart: {error}");
    }
}

async fn round(rig: &mut Rig, round: usize) -> Outcome {
    let bytes = |n: usize| RECORD_BYTES_MIN + (round * STRIDE + n * (round + 1)) % RECORD_BYTES_SPREAD;
    let server = Server::start(&rig.data);
    let kinesis = server.kinesis();
    for stream in STREAMS {
        kinesis.create_stream().stream_name(stream).shard_count(1).send().await.expect("CreateStream");
    }
    let (mut acknowledged, mut n) = (Acknowledged::new(), 0);
    let refusal = loop {
        n += 1;
        if let Err(refusal) = put(&kinesis, STREAMS[n % STREAMS.len()], bytes(n), &mut acknowledged).await {
            break refusal;
        }
        assert!(n < 10_000, "no sync ever fails");
    };
    let before = acknowledged.len();
    server.kill();

    if round % 2 == 1 {
        drop_caches();
    }
    rig.grow();
    let server = Server::start(&rig.data);
    let kinesis = server.kinesis();
    for n in 0..PUTS_AFTER * STREAMS.len() {
        let stream = STREAMS[n % STREAMS.len()];
        put(&kinesis, stream, bytes(n), &mut acknowledged).await.expect("a restart is all that it takes");
    }
    let restarted = check(&kinesis, &acknowledged).await;
    server.kill();

    rig.mount_again();
    let server = Server::start(&rig.data);
    let outcome = check(&server.kinesis(), &acknowledged).await;
    server.kill();
    println!("round {round}: {before} records, then: {refusal}; after a restart {restarted:?}, remounted {outcome:?}");
    outcome
}

/// `SYNC_ROUNDS` disks, one after the other.
#[tokio::test]
async fn a_failed_sync_without_a_journal_loses_nothing_acknowledged() {
    let rounds: usize = std::env::var("SYNC_ROUNDS").map_or(2, |rounds| rounds.parse().expect("a number of rounds"));
    let mut all = Outcome::default();
    for n in 0..rounds {
        let Some(mut rig) = Rig::disk_without_journal() else { return };
        let Outcome { acknowledged, lost, unopened } = round(&mut rig, n).await;
        all.acknowledged += acknowledged;
        all.lost += lost;
        all.unopened += unopened;
    }
    println!("{rounds} failed syncs: {all:?}");
    assert_eq!((all.lost, all.unopened), (0, 0), "{all:?}");
}
