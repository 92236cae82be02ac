//! A whole server in this process, over streams that panic when a test says so.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use bytes::Bytes;
use http_body_util::{BodyExt, Empty};
use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioExecutor;
use ingest::receiver::{PreparedReceiver, ReceiverOptions};
use model::name::StreamName;
use model::stream::hash_key::PartitionKey;
use model::stream::layer::StreamLayer;
use model::stream::record::PutEntry;
use model::stream::sequence_number::SequenceNumber;
use model::stream::shard::ShardId;
use model::stream::store::{ReadBatch, ReadLimit, StreamError, StreamStore};
use serde_json::Value;

use crate::backends::Backends;
use crate::config::file::Config;
use crate::serve::engine::Engine;
use crate::serve::options::{HttpOptions, Settings};

const SQL: &str = r#"CREATE OR REPLACE STREAM "in" ("k" VARCHAR(8), "v" BIGINT);
CREATE OR REPLACE STREAM "out" ("k" VARCHAR(8), "n" BIGINT);
CREATE OR REPLACE PUMP "p" AS INSERT INTO "out"
SELECT STREAM "k", COUNT(*) AS "n" FROM "in" GROUP BY FLOOR("in".ROWTIME TO SECOND), "k";
"#;
const TOML: &str = "[streams.in]\nshards = 1\n[queries.q]\nsql = \"q.sql\"\n";
/// How soon a worker that panicked must work again.
const RESTART_MAX: Duration = Duration::from_secs(5);
/// How soon everybody must say so.
const REPORT_MAX: Duration = Duration::from_secs(10);

/// A store whose reads and trims panic as often as they are told to.
struct Panicking {
    below: Arc<dyn StreamStore>,
    reads: Arc<AtomicU64>,
    trims: Arc<AtomicU64>,
}

fn panic_if_armed(armed: &AtomicU64, what: &str) {
    let left = armed.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(1));
    assert!(left.is_err(), "the test makes a {what} panic");
}

impl StreamLayer for Panicking {
    fn below(&self) -> &dyn StreamStore {
        &*self.below
    }

    async fn read(
        &self,
        stream: &StreamName,
        shard: ShardId,
        from: SequenceNumber,
        limit: ReadLimit,
    ) -> Result<ReadBatch, StreamError> {
        panic_if_armed(&self.reads, "read");
        self.below.read(stream, shard, from, limit).await
    }

    async fn trim(&self, stream: &StreamName) -> Result<(), StreamError> {
        panic_if_armed(&self.trims, "trim");
        self.below.trim(stream).await
    }
}

/// A server, and how many reads and trims are to panic.
struct World {
    engine: Engine,
    reads: Arc<AtomicU64>,
    trims: Arc<AtomicU64>,
    _folder: tempfile::TempDir,
}

impl World {
    async fn start() -> World {
        let folder = tempfile::tempdir().expect("a temporary folder");
        std::fs::write(folder.path().join("q.sql"), SQL).expect("written");
        let settings = Settings {
            listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 0)),
            data: folder.path().join("data"),
            folder: folder.path().to_owned(),
            config: Config::parse(Path::new("gallop.toml"), TOML).expect("the settings read"),
            http: HttpOptions::loopback(),
            receiver: PreparedReceiver::open(ReceiverOptions::default()),
            web_dir: None,
        };
        let (reads, trims) = (Arc::<AtomicU64>::default(), Arc::<AtomicU64>::default());
        let (of_reads, of_trims) = (Arc::clone(&reads), Arc::clone(&trims));
        let adapt = |mut backends: Backends| {
            let below = backends.streams;
            backends.streams = Arc::new(Panicking { below, reads: of_reads, trims: of_trims });
            backends
        };
        let engine = Engine::start_on(settings, adapt).await.expect("it starts");
        World { engine, reads, trims, _folder: folder }
    }

    async fn put(&self) {
        let key = PartitionKey::new("a".to_owned()).expect("a key");
        let entry = PutEntry::new(key, r#"{"k":"a","v":1}"#);
        let stream = StreamName::new("in").expect("a name");
        self.engine.streams().append(&stream, vec![entry]).await.expect("taken");
    }

    async fn text(&self, path: &str) -> String {
        let client = Client::builder(TokioExecutor::new()).build_http::<Empty<Bytes>>();
        let url = format!("{}{path}", self.engine.url()).parse().expect("a URL");
        let response = client.get(url).await.expect("the server answers");
        let body = response.into_body().collect().await.expect("a whole answer").to_bytes();
        String::from_utf8(body.to_vec()).expect("text")
    }

    async fn json(&self, path: &str) -> Value {
        serde_json::from_str(&self.text(path).await).expect("JSON")
    }

    /// What the server finds of one kind of workers.
    async fn check(&self, name: &str) -> Value {
        let answer = self.json("/v1/doctor").await;
        let mut checks = answer["checks"].as_array().expect("checks").iter();
        checks.find(|check| check["check"] == name).expect("the check is there").clone()
    }

    /// Whether `/readyz` lists a worker in this state.
    async fn is_listed(&self, name: &str, state: &str) -> bool {
        let answer = self.json("/readyz").await;
        assert_eq!(answer["status"], "ready", "the server takes calls");
        let mut degraded = answer["degraded"].as_array().into_iter().flatten();
        degraded.any(|worker| worker["name"] == name && worker["state"] == state)
    }
}

/// Looks again and again until `look` holds; how long that took.
async fn within(most: Duration, what: &str, mut look: impl AsyncFnMut() -> bool) -> Duration {
    let begun = Instant::now();
    while !look().await {
        assert!(begun.elapsed() < most, "{what}: not within {most:?}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    begun.elapsed()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_query_that_panics_is_restarted_and_everybody_says_so() {
    let world = World::start().await;
    world.reads.store(1, Ordering::Relaxed);
    within(RESTART_MAX, "the query works again", async || {
        world.put().await;
        let query = world.json("/v1/queries/q").await;
        query["restarts"] == 1 && query["state"] == "running"
    })
    .await;
    let query = world.json("/v1/queries/q").await;
    assert_eq!(query["last_error"]["message"], "it panicked: the test makes a read panic");
    assert!(world.is_listed("q", "running").await, "readiness lists one that has failed lately");
    let check = world.check("server.queries").await;
    assert_eq!(check["state"], "warn", "{check}");
    assert!(check["found"].as_str().expect("text").contains("the test makes a read panic"), "{check}");
    assert!(world.text("/metrics").await.contains("gallop_query_restarts_total{query=\"q\"} 1"));

    // From now on it panics whenever it starts.
    world.reads.store(u64::MAX, Ordering::Relaxed);
    within(REPORT_MAX, "everybody says that it has failed", async || {
        world.put().await;
        let shown = world.json("/v1/queries/q").await;
        world.is_listed("q", "failed").await
            && shown["state"] == "failed"
            && shown["running"] == false
            && world.check("server.queries").await["state"] == "fail"
            && world.text("/metrics").await.contains("gallop_query_running{query=\"q\"} 0")
    })
    .await;
    let reasons = world.json("/v1/queries/q").await["reasons"].clone();
    assert_eq!(reasons[0]["code"], "query_failing", "{reasons}");
    world.engine.drain().await.expect("it drains");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_task_of_the_server_that_panics_is_seen_and_restarted() {
    let world = World::start().await;
    world.trims.store(1, Ordering::Relaxed);
    // Streams are trimmed every ten seconds.
    within(2 * REPORT_MAX, "the panic is seen", async || world.check("server.tasks").await["state"] == "warn").await;
    within(RESTART_MAX, "the task works again", async || {
        let metrics = world.text("/metrics").await;
        metrics.contains("gallop_task_restarts_total{task=\"retention\"} 1")
            && metrics.contains("gallop_task_running{task=\"retention\"} 1")
    })
    .await;
    world.engine.drain().await.expect("it drains");
}
