//! A third of all calls to S3 and DynamoDB fail, in all ways that calls fail: archive and table end, byte for byte,
//! as without faults.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use hyper::StatusCode;
use model::archive::store::{Archive, ObjectName};
use model::clock::{SystemClock, Timestamp};
use model::flow::destination::{ArchiveOptions, Destination};
use model::name::{ConsumerName, StreamName, TableName};
use model::stream::hash_key::PartitionKey;
use model::stream::record::PutEntry;
use model::stream::shard::{Reshard, ShardId};
use model::stream::store::{StartingPosition, StreamOptions, StreamStore};
use model::table::store::{KeyAttribute, KeyType, TableError, TableSchema, TableStore};
use model::testing::clock::ManualClock;
use model::testing::memory_store::MemoryStore;
use rand::rngs::SmallRng;
use rand::{Rng, SeedableRng};
use sinks::archive::s3::{S3Archive, S3Options};
use sinks::aws::AwsOptions;
use sinks::delivery::options::DeliveryOptions;
use sinks::delivery::stream::DeliveryStream;
use sinks::destination::connect::Parts;
use sinks::table::dynamodb::{DynamoOptions, DynamoTableOptions, DynamoTables};
use sinks::testing::fault_proxy::{DYNAMODB_THROTTLE, Fault, FaultPlan, FaultProxy, S3_THROTTLE};
use tokio::sync::oneshot;

use crate::world::{bucket, dynamodb_url, s3_url, tables_at};

const RECORDS: usize = 600;
const FAULT_RATE: f64 = 1.0 / 3.0;
/// How long a call that is never answered takes.
const ATTEMPT_TIMEOUT: Duration = Duration::from_millis(300);

fn stream() -> StreamName {
    StreamName::new("wildrydes").unwrap()
}

fn table() -> TableName {
    TableName::new("Unicorns").unwrap()
}

/// Records of a few unicorns, some of them no JSON, in two shards that are merged at the end: so all cuts are decided.
/// With `final_rows` every key has one record.
async fn records(seed: u64, final_rows: bool) -> Arc<MemoryStore> {
    let random = &mut SmallRng::seed_from_u64(seed);
    let clock = Arc::new(ManualClock::new(Timestamp::from_millis(1_793_505_600_000)));
    let store = MemoryStore::new(clock.clone());
    store.create(&stream(), StreamOptions { shards: 2, ..StreamOptions::default() }).await.unwrap();
    for n in 0..RECORDS {
        let name = format!("unicorn-{}", random.random_range(0..20));
        let at = if final_rows { n } else { random.random_range(0..4) };
        let padding = "x".repeat(random.random_range(0..100));
        let data = match random.random_range(0..20) {
            0 => format!("no JSON, {n}"),
            _ => format!(r#"{{"StatusTime":{at},"N":{n},"Name":"{name}","Distance":{n}.0,"Pad":"{padding}"}}"#),
        };
        let entry = PutEntry::new(PartitionKey::new(name).unwrap(), data);
        assert!(store.append(&stream(), vec![entry]).await.unwrap().results[0].is_ok());
        clock.advance(Duration::from_millis(1));
    }
    store.reshard(&stream(), Reshard::Merge { shard: ShardId(0), adjacent: ShardId(1) }).await.unwrap();
    Arc::new(store)
}

/// What is there at the end, to the byte.
#[derive(Debug, PartialEq)]
struct Outcome {
    objects: BTreeMap<String, Bytes>,
    items: BTreeMap<String, String>,
}

/// Archive and table behind proxies that let calls fail.
struct Places {
    s3: FaultProxy,
    dynamodb: FaultProxy,
    archive: Arc<S3Archive>,
    tables: Arc<DynamoTables>,
    /// The same without proxies, and with all the time that a call may take.
    direct: (S3Archive, DynamoTables),
}

fn plan(seed: u64, rate: f64, throttle: (StatusCode, &'static str)) -> FaultPlan {
    FaultPlan { seed, rate, faults: Fault::ALL.to_vec(), throttle }
}

/// Through a proxy, and soon tired of a call that is never answered.
fn through(proxy: &FaultProxy, aws: &AwsOptions) -> AwsOptions {
    AwsOptions { endpoint: Some(proxy.url()), attempt_timeout: ATTEMPT_TIMEOUT, ..aws.clone() }
}

impl Places {
    async fn new(final_rows: bool) -> Places {
        let s3 = FaultProxy::start(s3_url(), plan(0, 0.0, S3_THROTTLE)).await.unwrap();
        let dynamodb = FaultProxy::start(dynamodb_url(), plan(0, 0.0, DYNAMODB_THROTTLE)).await.unwrap();
        let particular = DynamoTableOptions { final_rows, ttl_attribute: None };
        let at_tables = DynamoOptions { tables: BTreeMap::from([(table(), particular)]), ..tables_at(dynamodb_url()) };
        let at_bucket = bucket(s3_url());
        let direct_archive = S3Archive::open(at_bucket.clone()).await.unwrap();
        let direct_tables = DynamoTables::open(Arc::new(SystemClock), at_tables.clone()).await;
        let key = |name: &str, key_type| KeyAttribute { name: name.to_owned(), key_type };
        let (partition_key, sort_key) = (key("Name", KeyType::String), Some(key("StatusTime", KeyType::Number)));
        direct_tables.create(TableSchema { name: table(), partition_key, sort_key }).await.unwrap();
        let in_bucket = S3Options { aws: through(&s3, &at_bucket.aws), create_bucket: false, ..at_bucket };
        let archive = Arc::new(S3Archive::open(in_bucket).await.unwrap());
        let in_tables = DynamoOptions { aws: through(&dynamodb, &at_tables.aws), ..at_tables };
        let tables = Arc::new(DynamoTables::open(Arc::new(SystemClock), in_tables).await);
        Places { s3, dynamodb, archive, tables, direct: (direct_archive, direct_tables) }
    }

    fn fail(&self, seed: u64, rate: f64) {
        self.s3.set(plan(seed, rate, S3_THROTTLE));
        self.dynamodb.set(plan(seed + 1, rate, DYNAMODB_THROTTLE));
    }

    /// Delivers all records to archive and table.
    async fn deliver(&self, store: &Arc<MemoryStore>, consumer: &str) {
        let name = |what: &str| ConsumerName::new(&format!("{consumer}-{what}")).unwrap();
        let hurried = |options| DeliveryOptions {
            cut_records_max: 40,
            cut_interval: Duration::from_secs(3600),
            retry_delay_min: Duration::from_millis(1),
            retry_delay_max: Duration::from_millis(20),
            ..options
        };
        let parts = Parts {
            streams: store.clone(),
            clock: Arc::new(SystemClock),
            tables: self.tables.clone(),
            archive: self.archive.clone(),
        };
        let to = |what: &str, destination: Destination| {
            let options = hurried(DeliveryOptions::for_destination(&destination));
            let start = StartingPosition::TrimHorizon;
            DeliveryStream::connect(name(what), stream(), start, &destination, parts.clone(), options)
        };
        let to_archive = to("archive", Destination::Archive(ArchiveOptions::default()));
        let to_table = to("table", Destination::Table(table()));
        tokio::join!(run_to_the_end(to_archive), run_to_the_end(to_table));
    }

    /// What is in the archive and the table. Names of objects are told without the consumer's own.
    async fn outcome(&self, consumer: &str) -> Outcome {
        let mut objects = BTreeMap::new();
        let (archive, tables) = &self.direct;
        for object in archive.list("").await.unwrap() {
            let body = archive.get(&object.name, None).await.unwrap();
            objects.insert(object.name.as_str().replace(consumer, ""), body);
        }
        let page = tables.scan(&table(), None, RECORDS).await.unwrap();
        assert_eq!(page.next, None);
        let text = |item: &model::table::value::Item| serde_json::to_string(item).unwrap();
        let items = page.items.iter().map(|item| (format!("{} {}", item["Name"], item["StatusTime"]), text(item)));
        Outcome { objects, items: items.collect() }
    }
}

/// Runs a delivery until every record is in its sink or among the dead letters.
async fn run_to_the_end(delivery: DeliveryStream) {
    let (status, (stop, stopped)) = (delivery.status(), oneshot::channel());
    let watching = async move {
        let mut pause = tokio::time::interval(Duration::from_millis(5));
        loop {
            pause.tick().await;
            let status = status.get();
            if status.delivered_records + status.dead_letters >= RECORDS as u64 {
                stop.send(()).unwrap();
                return status;
            }
        }
    };
    let (ended, status) = tokio::join!(delivery.run(async { stopped.await.unwrap() }), watching);
    ended.unwrap();
    assert_eq!((status.delivered_records + status.dead_letters, status.expired), (RECORDS as u64, 0));
}

async fn check(seed: u64, final_rows: bool) {
    println!("seed {seed}");
    let store = records(seed, final_rows).await;
    let (still, stormy) = (Places::new(final_rows).await, Places::new(final_rows).await);
    still.deliver(&store, "still").await;
    let counts = || [stormy.s3.counts(), stormy.dynamodb.counts()];
    let before = counts();
    stormy.fail(seed, FAULT_RATE);
    stormy.deliver(&store, "stormy").await;
    stormy.fail(0, 0.0);
    for ((calls_before, _), (calls, faults)) in before.into_iter().zip(counts()) {
        let calls = calls - calls_before;
        println!("{faults} faults in {calls} calls");
        assert!(faults >= 8 && faults * 5 > calls, "only {faults} of {calls} calls failed");
    }
    let (expected, found) = (still.outcome("still").await, stormy.outcome("stormy").await);
    assert!(expected.objects.len() > 20 && expected.items.len() > 20, "{} objects", expected.objects.len());
    assert!(expected == found, "seed {seed}: expected {expected:?}, found {found:?}");
}

#[tokio::test]
async fn archive_and_table_end_as_without_faults() {
    check(7, false).await;
}

#[tokio::test]
async fn rows_in_batches_end_as_without_faults() {
    check(8, true).await;
}

#[tokio::test]
async fn tries_are_bounded() {
    let places = Places::new(false).await;
    places.fail(1, 1.0);
    let (before, _) = places.s3.counts();
    let object = ObjectName::new("a").unwrap();
    assert!(places.archive.put_if_absent(&object, Bytes::from_static(b"x")).await.is_err());
    let (after, _) = places.s3.counts();
    let attempts_max = u64::from(AwsOptions::default().attempts_max);
    assert!(after - before <= attempts_max, "{} calls", after - before);

    let (before, _) = places.dynamodb.counts();
    let error = places.tables.scan(&table(), None, 1).await.unwrap_err();
    assert!(matches!(error, TableError::Unavailable { .. }), "{error:?}");
    let (after, _) = places.dynamodb.counts();
    // The keys are asked for first, once, and then the items.
    assert!(after - before <= 2 * attempts_max, "{} calls", after - before);
}
