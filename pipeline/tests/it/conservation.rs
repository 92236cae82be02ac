//! What is acknowledged is read, archived and counted: once, in order, whatever is killed or resharded in between, and
//! wherever archive and tables stand.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use aws_sdk_kinesis::Client;
use aws_sdk_kinesis::primitives::Blob;
use aws_sdk_kinesis::types::{PutRecordsRequestEntry, Shard, ShardIteratorType};
use futures::future::join_all;
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use serde_json::Value;
use tempfile::TempDir;
use tokio::sync::Mutex;

use crate::server::{Server, eventually, folder_with, gallop, try_rows};

const PRODUCERS: u64 = 4;
const KEYS_OF_A_PRODUCER: u64 = 3;
const BATCH: u64 = 20;
const OPEN_SHARDS_MAX: usize = 6;

const SETTINGS: &str = r#"
[streams.numbers]
shards = 3

[streams.counts]

[tables.Counts]
partition_key = "Key"
sort_key = "At"

[queries.count]
sql = "count.sql"

[deliveries.counts-to-table]
source = "counts"
table = "Counts"

[deliveries.numbers-to-archive]
source = "numbers"
archive = { interval_seconds = 1, bytes_max = 4096 }
"#;

const QUERY: &str = r#"
CREATE OR REPLACE STREAM "numbers" ("Key" VARCHAR(16), "N" BIGINT);
CREATE OR REPLACE STREAM "counts" ("Key" VARCHAR(16), "At" TIMESTAMP, "Records" BIGINT);
CREATE OR REPLACE PUMP "count" AS INSERT INTO "counts"
SELECT STREAM "Key", ROWTIME, COUNT(*) FROM "numbers"
GROUP BY STEP("numbers".ROWTIME BY INTERVAL '1' SECOND), "Key";
"#;

/// Where a record stands. Numbers of one length and form: their text has their order, also from parents to children.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Place {
    sequence_number: String,
    shard: String,
}

impl Place {
    fn new(shard: &str, sequence_number: &str) -> Place {
        assert_eq!(sequence_number.len(), 56, "{sequence_number}");
        Place { sequence_number: sequence_number.to_owned(), shard: shard.to_owned() }
    }
}

/// What the server has acknowledged, in all its lives.
#[derive(Default)]
struct Acknowledged {
    numbers: AtomicU64,
    places: Mutex<BTreeMap<Place, u64>>,
}

fn key(producer: u64, n: u64) -> String {
    format!("key-{producer}-{}", n % KEYS_OF_A_PRODUCER)
}

/// Sends batches until the server is gone. Each number is sent once and never again, and a key has one producer.
async fn produce(kinesis: Client, producer: u64, acknowledged: Arc<Acknowledged>) {
    loop {
        let first = acknowledged.numbers.fetch_add(BATCH, Ordering::Relaxed);
        let records = (first..first + BATCH).map(|n| {
            let key = key(producer, n);
            let data = format!("{{\"Key\":\"{key}\",\"N\":{n}}}");
            let entry = PutRecordsRequestEntry::builder().partition_key(key).data(Blob::new(data));
            entry.build().expect("key and data are given")
        });
        let sent = kinesis.put_records().stream_name("numbers").set_records(Some(records.collect())).send().await;
        let Ok(answer) = sent else { return };
        let mut places = acknowledged.places.lock().await;
        for (result, n) in answer.records().iter().zip(first..) {
            if let (Some(shard), Some(number)) = (result.shard_id(), result.sequence_number()) {
                let before = places.insert(Place::new(shard, number), n);
                assert_eq!(before, None, "{number} of {shard} was given to {n} too");
            }
        }
    }
}

async fn shards(kinesis: &Client, stream: &str) -> Option<Vec<Shard>> {
    let (mut shards, mut next) = (Vec::new(), None::<String>);
    loop {
        let name = next.is_none().then(|| stream.to_owned());
        let page = kinesis.list_shards().set_stream_name(name).set_next_token(next).send().await.ok()?;
        shards.extend(page.shards.unwrap_or_default());
        next = page.next_token;
        if next.is_none() {
            return Some(shards);
        }
    }
}

fn hash_keys(shard: &Shard) -> (u128, u128) {
    let range = shard.hash_key_range().expect("a shard has a range");
    let parse = |text: &str| text.parse().expect("a hash key");
    (parse(range.starting_hash_key()), parse(range.ending_hash_key()))
}

fn is_open(shard: &Shard) -> bool {
    shard.sequence_number_range().is_some_and(|range| range.ending_sequence_number().is_none())
}

/// Splits or merges `changes` times, or until the server is gone; returns how often it was told that it was done.
async fn reshard(kinesis: Client, seed: u64, changes: usize) -> usize {
    let mut random = StdRng::seed_from_u64(seed);
    for done in 0..changes {
        let Some(mut open) = shards(&kinesis, "numbers").await else { return done };
        open.retain(is_open);
        open.sort_by_key(hash_keys);
        let at = random.random_range(0..open.len());
        let (begin, end) = hash_keys(&open[at]);
        let split = open.len() == 1 || (open.len() < OPEN_SHARDS_MAX && random.random_bool(0.5));
        let answered = if split {
            let middle = (begin + (end - begin) / 2).to_string();
            let split = kinesis.split_shard().stream_name("numbers").shard_to_split(open[at].shard_id());
            split
                .new_starting_hash_key(middle)
                .send()
                .await
                .map_err(|error| error.into_service_error().to_string())
                .err()
        } else {
            let left = at.min(open.len() - 2);
            let merge = kinesis.merge_shards().stream_name("numbers").shard_to_merge(open[left].shard_id());
            let merge = merge.adjacent_shard_to_merge(open[left + 1].shard_id());
            merge.send().await.map_err(|error| error.into_service_error().to_string()).err()
        };
        if answered.is_some() {
            return done;
        }
    }
    changes
}

/// Every record of a stream, from the horizon to the tip, of open and closed shards.
async fn read_all(kinesis: &Client, stream: &str) -> BTreeMap<Place, Value> {
    let mut found = BTreeMap::new();
    for shard in shards(kinesis, stream).await.expect("ListShards") {
        let begin = kinesis.get_shard_iterator().stream_name(stream).shard_id(shard.shard_id());
        let begin = begin.shard_iterator_type(ShardIteratorType::TrimHorizon).send().await.expect("GetShardIterator");
        let mut iterator = begin.shard_iterator;
        while let Some(at) = iterator {
            let page = kinesis.get_records().shard_iterator(at).send().await.expect("GetRecords");
            for record in page.records() {
                let value = serde_json::from_slice(record.data().as_ref()).expect("JSON");
                let before = found.insert(Place::new(shard.shard_id(), record.sequence_number()), value);
                assert_eq!(before, None, "{} was read twice", record.sequence_number());
            }
            iterator = page.next_shard_iterator.filter(|_| page.millis_behind_latest != Some(0));
        }
    }
    found
}

fn number(row: &Value) -> u64 {
    row["N"].as_u64().expect("a number")
}

fn numbers_in<'a>(rows: impl IntoIterator<Item = &'a Value>) -> Vec<u64> {
    let mut numbers: Vec<u64> = rows.into_iter().map(number).collect();
    numbers.sort_unstable();
    numbers
}

fn counted<'a>(rows: impl IntoIterator<Item = &'a Value>) -> u64 {
    rows.into_iter().map(|row| row["Records"].as_u64().expect("a count")).sum()
}

/// Whatever was acknowledged is where it was said to be, and each key's records stand in the order they were sent in.
fn check_order(acknowledged: &BTreeMap<Place, u64>, readable: &BTreeMap<Place, Value>) {
    for (place, n) in acknowledged {
        let found = readable.get(place).map(number);
        assert_eq!(found, Some(*n), "{place:?} was acknowledged with {n}");
    }
    let mut last: BTreeMap<&str, u64> = BTreeMap::new();
    for (place, row) in readable {
        let (key, n) = (row["Key"].as_str().expect("a key"), number(row));
        if let Some(before) = last.insert(key, n) {
            assert!(before < n, "{n} of {key} stands behind {before}, at {place:?}");
        }
    }
}

/// Where the job's engines stand.
#[derive(Debug, Clone, Default)]
pub(crate) struct Site {
    /// Settings before the job's own.
    pub(crate) settings: String,
    /// What `gallop sql --archive` is given; the folder among the data without it.
    pub(crate) archive: Option<String>,
    /// Variables of the process.
    pub(crate) variables: Vec<(&'static str, String)>,
}

/// Numbers are sent, counted by the second, kept in a table and archived.
pub(crate) struct Job {
    site: Site,
    data: PathBuf,
    _keep: TempDir,
    acknowledged: Arc<Acknowledged>,
    kills: usize,
    /// Splits and merges so far.
    pub(crate) reshards: usize,
}

impl Job {
    pub(crate) fn new(site: Site) -> Job {
        let settings = format!("{}\n{SETTINGS}", site.settings);
        let (keep, data) = folder_with(&[("gallop.toml", &settings), ("count.sql", QUERY)]);
        Job { site, data, _keep: keep, acknowledged: Arc::default(), kills: 0, reshards: 0 }
    }

    fn command(&self) -> Command {
        let mut command = gallop();
        command.envs(self.site.variables.clone());
        command
    }

    pub(crate) fn start(&self) -> Server {
        Server::spawn(self.command().args(["serve", "--port", "0", "--data"]).arg(&self.data))
    }

    /// Sends to a server until some more records are acknowledged, reshards, and kills it in the middle of that.
    pub(crate) async fn send_and_kill(&mut self, random: &mut StdRng) {
        let server = self.start();
        let acknowledged = Arc::clone(&self.acknowledged);
        let until = acknowledged.places.lock().await.len() + random.random_range(1..400);
        let produce = |producer| tokio::spawn(produce(server.kinesis(), producer, Arc::clone(&acknowledged)));
        let producers: Vec<_> = (0..PRODUCERS).map(produce).collect();
        let resharder = tokio::spawn(reshard(server.kinesis(), random.random(), random.random_range(0..4)));
        eventually("records are acknowledged", async || {
            (acknowledged.places.lock().await.len() >= until).then_some(())
        })
        .await;
        server.kill();
        for producer in producers {
            producer.await.expect("a producer ends with its server");
        }
        self.kills += 1;
        self.reshards += resharder.await.expect("the resharder ends with its server");
    }

    /// Starts once more: everything acknowledged is in the stream, and what is there is in archive, windows and table,
    /// each number once.
    pub(crate) async fn check(&self) {
        let server = self.start();
        let kinesis = server.kinesis();
        let records = read_all(&kinesis, "numbers").await;
        let readable = numbers_in(records.values());
        let all = shards(&kinesis, "numbers").await.expect("ListShards");
        let (kills, reshards) = (self.kills, self.reshards);
        println!("{kills} kills, {reshards} splits and merges, {} shards, {} records", all.len(), readable.len());
        assert!(readable.windows(2).all(|pair| pair[0] < pair[1]), "a number was kept twice");
        check_order(&*self.acknowledged.places.lock().await, &records);
        assert!(readable.len() >= kills, "every round left records");

        let archived = eventually("the archive holds every record", async || {
            let numbers = self.archived()?;
            (numbers.len() >= readable.len()).then_some(numbers)
        });
        assert_eq!(archived.await, readable, "archive and stream differ");
        self.check_windows(&server, readable.len() as u64).await;

        let total = readable.len() as u64;
        let by_sql = server.sql("SELECT COUNT(*) AS total, COUNT(DISTINCT \"N\") AS d FROM numbers");
        assert_eq!((by_sql[0]["total"].as_u64(), by_sql[0]["d"].as_u64()), (Some(total), Some(total)));
    }

    /// Every record counts once in the windows, and in the table.
    async fn check_windows(&self, server: &Server, total: u64) {
        let kinesis = server.kinesis();
        let windows = eventually("every record is in a closed window", async || {
            let rows = read_all(&kinesis, "counts").await;
            (counted(rows.values()) >= total).then_some(rows)
        });
        let windows = windows.await;
        assert_eq!(counted(windows.values()), total, "a record was counted twice");
        let keys: BTreeSet<String> = windows.values().map(|row| format!("{} {}", row["Key"], row["At"])).collect();
        assert_eq!(keys.len(), windows.len(), "a window came out twice");

        let in_table = eventually("the table holds every window", async || {
            let keys = (0..PRODUCERS).flat_map(|producer| (0..KEYS_OF_A_PRODUCER).map(move |n| key(producer, n)));
            let items = join_all(keys.map(async |key| crate::rest::items(&server.url, "Counts", &key).await)).await;
            let counted_in_table = counted(items.iter().flatten());
            (counted_in_table >= total).then_some(counted_in_table)
        });
        assert_eq!(in_table.await, total, "table and stream differ");
    }

    /// Numbers in the archive alone, if there are any.
    fn archived(&self) -> Option<Vec<u64>> {
        let place = self.site.archive.clone().unwrap_or_else(|| self.data.join("archive").display().to_string());
        let ask =
            |sql: &str| try_rows(self.command().args(["sql", "--archive", &place, "--output", "json", "-c", sql]));
        let there = ask("SHOW TABLES")?.iter().any(|table| table["table_name"] == "numbers");
        there.then(|| ask("SELECT \"N\" FROM numbers")).flatten().map(|rows| numbers_in(&rows))
    }
}
