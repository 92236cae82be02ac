//! What is acknowledged is read, archived and counted: once, in order, whatever is killed or resharded in between, and
//! wherever streams, archive and tables stand.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use aws_sdk_kinesis::Client;
use aws_sdk_kinesis::types::ShardIteratorType;
use futures::future::join_all;
use rand::Rng;
use rand::rngs::StdRng;
use serde_json::Value;
use tempfile::TempDir;

use crate::load::{Acknowledged, Load, LoadOptions, Place, keys, shards, split_all};
use crate::server::{Server, eventually, folder_with, gallop, try_rows};

/// The job. What it makes of `numbers` has `{run}` behind its name, so that two runs can look at the same records.
const SETTINGS: &str = r#"
[streams.numbers]
shards = 3

[streams.counts{run}]

[tables.Counts]
partition_key = "Key"
sort_key = "At"

[queries.count{run}]
sql = "count.sql"
streams = { counts = "counts{run}" }

[deliveries.counts{run}-to-table]
source = "counts{run}"
table = "Counts"

[deliveries.numbers{run}-to-archive]
source = "numbers"
archive = { {cuts} }
"#;

/// Counts the records of each key by second.
pub(crate) const QUERY: &str = r#"
CREATE OR REPLACE STREAM "numbers" ("Key" VARCHAR(16), "N" BIGINT);
CREATE OR REPLACE STREAM "counts" ("Key" VARCHAR(16), "At" TIMESTAMP, "Records" BIGINT);
CREATE OR REPLACE PUMP "count" AS INSERT INTO "counts"
SELECT STREAM "Key", ROWTIME, COUNT(*) FROM "numbers"
GROUP BY STEP("numbers".ROWTIME BY INTERVAL '1' SECOND), "Key";
"#;

/// Objects of what came in a second, or sooner.
const CUTS_OF_A_SECOND: &str = "interval_seconds = 1, bytes_max = 4096";
/// Objects whose bounds follow from the records alone: every run cuts the same.
const CUTS_BY_SIZE: &str = "interval_seconds = 3600, bytes_max = 8192";

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

/// How many records the rows of windows stand for.
pub(crate) fn counted<'a>(rows: impl IntoIterator<Item = &'a Value>) -> u64 {
    rows.into_iter().map(|row| row["Records"].as_u64().expect("a count")).sum()
}

/// Whatever was acknowledged is where it was said to be.
fn check_places(acknowledged: &BTreeMap<Place, u64>, readable: &BTreeMap<Place, Value>) {
    for (place, n) in acknowledged {
        let found = readable.get(place).map(number);
        assert_eq!(found, Some(*n), "{place:?} was acknowledged with {n}");
    }
}

/// Each key's records stand in the order they were sent in.
fn check_order<'a>(readable: impl IntoIterator<Item = (&'a Place, &'a Value)>) {
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
    /// Streams stand on Kafka, where shards are not merged.
    pub(crate) kafka: bool,
    /// Objects are to be what another run over the same records makes of them.
    pub(crate) cuts_by_size: bool,
    /// What tells this run's query and deliveries from another's over the same records.
    pub(crate) run: &'static str,
    /// What a producer waits between two calls.
    pub(crate) pause: Duration,
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
        let cuts = if site.cuts_by_size { CUTS_BY_SIZE } else { CUTS_OF_A_SECOND };
        let job = SETTINGS.replace("{run}", site.run).replace("{cuts}", cuts);
        let settings = format!("{}\n{job}", site.settings);
        let (keep, data) = folder_with(&[("gallop.toml", &settings), ("count.sql", QUERY)]);
        Job { site, data, _keep: keep, acknowledged: Arc::default(), kills: 0, reshards: 0 }
    }

    fn command(&self) -> Command {
        let mut command = gallop();
        command.envs(self.site.variables.clone());
        command
    }

    /// Starts a server over the job's folder.
    pub(crate) fn start(&self) -> Server {
        Server::spawn(self.command().args(["serve", "--port", "0", "--data"]).arg(&self.data))
    }

    /// Begins to send, and to change shards so many times.
    pub(crate) fn load(&self, server: &Server, crew: u64, reshards: usize, random: &mut StdRng) -> Load {
        let Site { pause, kafka, .. } = self.site;
        let options = LoadOptions { crew, pause, reshards, merges: !kafka };
        Load::start(server, &self.acknowledged, options, random.random())
    }

    /// Waits until so many more records are acknowledged.
    pub(crate) async fn more(&self, records: usize) {
        let until = self.acknowledged.places.lock().await.len() + records;
        let reached = async || (self.acknowledged.places.lock().await.len() >= until).then_some(());
        eventually("records are acknowledged", reached).await;
    }

    /// Kills a server in the middle of its load.
    pub(crate) async fn kill(&mut self, server: Server, load: Load) {
        server.kill();
        self.kills += 1;
        self.reshards += load.end().await;
    }

    /// Sends to a server until some more records are acknowledged, reshards, and kills it in the middle of that.
    pub(crate) async fn send_and_kill(&mut self, random: &mut StdRng) {
        let server = self.start();
        let (records, reshards) = (random.random_range(1..400), random.random_range(0..4));
        let load = self.load(&server, 0, reshards, random);
        self.more(records).await;
        self.kill(server, load).await;
    }

    /// Starts once more: everything acknowledged is in the stream, and what is there is in archive, windows and table,
    /// each number once. Returns the numbers that are there.
    pub(crate) async fn check(&self) -> Vec<u64> {
        let server = self.start();
        let kinesis = server.kinesis();
        if self.site.cuts_by_size {
            // So that the last objects are cut too.
            split_all(&kinesis).await;
        }
        let records = read_all(&kinesis, "numbers").await;
        let readable = numbers_in(records.values());
        let all = shards(&kinesis, "numbers").await.expect("ListShards");
        let (kills, reshards) = (self.kills, self.reshards);
        println!("{kills} kills, {reshards} splits and merges, {} shards, {} records", all.len(), readable.len());
        assert!(readable.windows(2).all(|pair| pair[0] < pair[1]), "a number was kept twice");
        let acknowledged = self.acknowledged.places.lock().await;
        check_places(&acknowledged, &records);
        // What a server left unanswered when it was killed may still be on its way to a broker.
        check_order(records.iter().filter(|(place, _)| !self.site.kafka || acknowledged.contains_key(*place)));
        assert!(readable.len() >= kills, "every round left records");
        drop(acknowledged);
        self.check_results(&server, &readable).await;
        readable
    }

    /// Archive, windows and table have these numbers, each once.
    pub(crate) async fn check_results(&self, server: &Server, readable: &[u64]) {
        let archived = eventually("the archive holds every record", async || {
            let numbers = self.archived()?;
            (numbers.len() >= readable.len()).then_some(numbers)
        });
        assert_eq!(archived.await, readable, "archive and stream differ");
        self.check_windows(server, readable.len() as u64).await;

        let total = readable.len() as u64;
        let by_sql = server.sql("SELECT COUNT(*) AS total, COUNT(DISTINCT \"N\") AS d FROM numbers");
        assert_eq!((by_sql[0]["total"].as_u64(), by_sql[0]["d"].as_u64()), (Some(total), Some(total)));
    }

    /// Every record counts once in the windows, and in the table.
    async fn check_windows(&self, server: &Server, total: u64) {
        let kinesis = server.kinesis();
        let counts = format!("counts{}", self.site.run);
        let windows = eventually("every record is in a closed window", async || {
            let rows = read_all(&kinesis, &counts).await;
            (counted(rows.values()) >= total).then_some(rows)
        });
        let windows = windows.await;
        assert_eq!(counted(windows.values()), total, "a record was counted twice");
        let keys: BTreeSet<String> = windows.values().map(|row| format!("{} {}", row["Key"], row["At"])).collect();
        assert_eq!(keys.len(), windows.len(), "a window came out twice");

        let in_table = eventually("the table holds every window", async || {
            let counted_in_table = counted(&self.table(server).await);
            (counted_in_table >= total).then_some(counted_in_table)
        });
        assert_eq!(in_table.await, total, "table and stream differ");
    }

    /// All items of the table, key by key.
    pub(crate) async fn table(&self, server: &Server) -> Vec<Value> {
        let items = join_all(keys().map(async |key| crate::rest::items(&server.url, "Counts", &key).await)).await;
        items.into_iter().flatten().collect()
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
