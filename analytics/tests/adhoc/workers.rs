//! Workers in this process: the frames of real ones, and a process that a test can end.

use std::io;
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use analytics::adhoc::limits::AdhocLimits;
use analytics::worker::engine::{WorkerArchive, WorkerEngine, WorkerOptions};
use analytics::worker::priority::Priority;
use analytics::worker::process::{Ended, Launched, Launcher, WorkerLimit, WorkerProcess};
use analytics::worker::serve::serve;
use async_trait::async_trait;
use futures::TryStreamExt;
use model::archive::store::{Archive, ArchiveError, ObjectMeta, ObjectName, PutOutcome};
use model::query::engine::{SqlEngine, SqlError, SqlErrorKind};
use model::query::json_lines::json_lines;
use model::testing::conformance;
use model::testing::memory_archive::MemoryArchive;
use tokio_util::task::AbortOnDropHandle;

use crate::fixture::{Packing, World, limits};

/// Starts workers as tasks, and lets a test say that they are over a bound.
#[derive(Default)]
pub(crate) struct Tasks {
    started: AtomicUsize,
    over: Arc<AtomicBool>,
    /// What a query may use before its threads give way; if none, they never do.
    usual_cpu_max: Option<Duration>,
}

struct Task {
    served: Option<AbortOnDropHandle<()>>,
    over: Arc<AtomicBool>,
}

const MEMORY: WorkerLimit = WorkerLimit::Memory(1 << 30);
/// What a pipe holds.
const PIPE_BYTES: usize = 64 << 10;

#[async_trait]
impl Launcher for Tasks {
    async fn launch(&self) -> io::Result<Launched> {
        self.started.fetch_add(1, Ordering::Relaxed);
        let (own, other) = tokio::io::duplex(PIPE_BYTES);
        let (read, write) = tokio::io::split(other);
        let priority = self.usual_cpu_max.map_or_else(Priority::unchanged, Priority::until);
        let served = tokio::spawn(async { serve(read, write, priority).await.expect("a pipe that ends well") });
        let (read, write) = tokio::io::split(own);
        let process = Task { served: Some(AbortOnDropHandle::new(served)), over: Arc::clone(&self.over) };
        Ok(Launched { read: Box::new(read), write: Box::new(write), process: Box::new(process) })
    }
}

#[async_trait]
impl WorkerProcess for Task {
    fn over(&mut self) -> Option<WorkerLimit> {
        self.over.load(Ordering::Relaxed).then_some(MEMORY)
    }

    fn is_alive(&mut self) -> bool {
        self.served.as_ref().is_some_and(|served| !served.is_finished())
    }

    fn is_large(&mut self) -> bool {
        false
    }

    async fn kill(&mut self) {
        self.served = None;
    }

    async fn ended(&mut self) -> Ended {
        Ended::Otherwise("signal: 11".to_owned())
    }
}

pub(crate) fn engine(world: &World, tasks: &Arc<Tasks>, archive: WorkerArchive, limits: AdhocLimits) -> WorkerEngine {
    let options =
        WorkerOptions { archive: Some(archive), streams: Some(Arc::clone(&world.store) as _), limits, ahead: true };
    WorkerEngine::new(Arc::clone(tasks) as _, options)
}

async fn lines(engine: &dyn SqlEngine, sql: &str) -> Result<String, SqlError> {
    let chunks: Vec<bytes::Bytes> = json_lines(engine.query(sql).await?).try_collect().await?;
    Ok(String::from_utf8(chunks.concat()).expect("JSON is UTF-8"))
}

/// A stream that is half in the archive and half in its tail.
async fn world() -> World {
    let world = World::new();
    let rides = world.stream("rides", 2).await;
    for number in 0..300 {
        let text = "é".repeat(number % 40);
        world
            .put(&rides, &format!("key {number}"), format!(r#"{{"Number":{number},"text":"{text}","half":0.5}}"#))
            .await;
    }
    for shard in [0, 1].map(model::stream::shard::ShardId) {
        let records = world.records(&rides, shard, None, 70).await;
        world.archive(&rides, shard, &records, Packing::Gzip);
    }
    world
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_answers_as_the_engine_in_it_does() {
    let world = world().await;
    let (folder, objects) =
        (WorkerArchive::Folder(world.root.path().to_owned()), WorkerArchive::Objects(Arc::clone(&world.objects) as _));
    for archive in [folder, objects] {
        let engine = engine(&world, &Arc::default(), archive, limits());
        conformance::sql_engine(&engine, "SELECT Number FROM rides", "SELECT Numbr FROM rides").await;
        for sql in [
            "SELECT COUNT(*) AS n, SUM(Number) AS s FROM rides",
            "SELECT * FROM rides ORDER BY Number",
            "SELECT text, COUNT(*) FROM rides GROUP BY text ORDER BY text",
            "SELECT Number, now() - now() AS span, arrow_cast(text, 'Utf8View') AS v FROM rides ORDER BY Number LIMIT 7",
            "SHOW TABLES",
            "DESCRIBE rides",
            "SELECT Numbr FROM rides",
            "SELECT Number FROM ride",
            "DELETE FROM rides",
            "SELECT repeat('x', 1500000000)",
            "SELEC 1",
        ] {
            let expected = lines(&world.engine(), sql).await;
            assert_eq!(lines(&engine, sql).await, expected, "{sql}");
            let described = world.engine().describe(sql).await;
            assert_eq!(engine.describe(sql).await, described, "{sql}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_is_kept_and_used_again_also_after_an_answer_that_nobody_read_to_its_end() {
    let (world, tasks) = (world().await, Arc::new(Tasks::default()));
    let engine = engine(&world, &tasks, WorkerArchive::Folder(world.root.path().to_owned()), limits());
    for _ in 0..20 {
        assert!(lines(&engine, "SELECT COUNT(*) FROM rides").await.is_ok());
        let rows = engine.query("SELECT * FROM generate_series(1, 1000000)").await.expect("rows");
        drop(rows);
        assert!(engine.query("SELECT nothing FROM rides").await.is_err());
    }
    while engine.figures().running > 0 {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    let started = tasks.started.load(Ordering::Relaxed);
    assert!(started <= 5, "{started} workers for 60 queries, a few at a time");
    assert!(engine.figures().ended.is_empty(), "{:?}", engine.figures());
}

/// The threads of a worker that is spent cannot have their priority back.
#[cfg(target_os = "linux")]
#[tokio::test(flavor = "multi_thread")]
async fn a_worker_that_gives_way_answers_to_the_end_and_is_replaced() {
    const QUERIES: usize = 4;
    for usual_cpu_max in [None, Some(Duration::ZERO)] {
        let (world, tasks) = (world().await, Arc::new(Tasks { usual_cpu_max, ..Tasks::default() }));
        let engine = engine(&world, &tasks, WorkerArchive::Folder(world.root.path().to_owned()), limits());
        for _ in 0..QUERIES {
            assert_eq!(lines(&engine, "SELECT COUNT(*) AS n FROM rides").await.as_deref(), Ok("{\"n\":300}\n"));
            while engine.figures().running > 0 {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        }
        let started = tasks.started.load(Ordering::Relaxed);
        assert_eq!(QUERIES <= started, usual_cpu_max.is_some(), "{started} workers, {usual_cpu_max:?}");
        assert!(engine.figures().ended.is_empty(), "{:?}", engine.figures());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bound_ends_the_query_by_name_and_others_go_on() {
    let (world, tasks) = (world().await, Arc::new(Tasks::default()));
    let archive = WorkerArchive::Folder(world.root.path().to_owned());
    let limits = AdhocLimits { query_duration_max: Duration::from_secs(1), queries_running_max: 1, ..limits() };
    let engine = engine(&world, &tasks, archive, limits);
    // Neither side of the outer join is large: it takes time, and no memory.
    let pairs = |name: &str| format!("(SELECT l.Number + r.Number AS n FROM rides l, rides r) {name}");
    let endless = format!("SELECT SUM(a.n + b.n) FROM {} , {}", pairs("a"), pairs("b"));
    let endless = endless.as_str();
    let error = lines(&engine, endless).await.expect_err("it takes too long");
    assert_eq!((error.kind, error.message.as_str()), (SqlErrorKind::LimitExceeded, "the query took longer than 1 s"));
    tasks.over.store(true, Ordering::Relaxed);
    let error = lines(&engine, endless).await.expect_err("it needs too much");
    assert_eq!(error, MEMORY.error());
    tasks.over.store(false, Ordering::Relaxed);
    assert!(lines(&engine, "SELECT COUNT(*) FROM rides").await.is_ok());
    assert_eq!(engine.figures().ended.get("memory"), Some(&1));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reader_that_sleeps_gives_its_place_back_and_is_told_so() {
    let (world, tasks) = (world().await, Arc::new(Tasks::default()));
    let archive = WorkerArchive::Folder(world.root.path().to_owned());
    let limits = AdhocLimits {
        reader_wait_max: Duration::from_secs(60),
        queue_wait_max: Duration::from_secs(20),
        queries_running_max: 1,
        ..limits()
    };
    let engine = engine(&world, &tasks, archive, limits);
    let mut sleeping = engine.query("SELECT * FROM generate_series(1, 9000000)").await.expect("rows");
    assert!(lines(&engine, "SELECT 1").await.is_ok(), "the place is free again");
    let mut rows = 0;
    let error = loop {
        match sleeping.batches.try_next().await {
            Ok(Some(batch)) => rows += batch.num_rows(),
            Ok(None) => panic!("the answer ends as if it were whole, after {rows} rows"),
            Err(error) => break error,
        }
    };
    assert_eq!(error.kind, SqlErrorKind::LimitExceeded);
    assert!(error.message.starts_with("the rows were not read for"), "{error}");
    assert!(rows > 0, "what was on its way arrives");
}

#[tokio::test(flavor = "multi_thread")]
async fn more_queries_than_places_wait_and_are_then_refused() {
    let world = world().await;
    let archive = WorkerArchive::Folder(world.root.path().to_owned());
    let limits = AdhocLimits { queries_running_max: 1, queue_wait_max: Duration::from_millis(200), ..limits() };
    let engine = engine(&world, &Arc::default(), archive, limits);
    let _held = engine.query("SELECT * FROM generate_series(1, 9000000)").await.expect("rows");
    let error = lines(&engine, "SELECT 1").await.expect_err("no place");
    assert_eq!(
        error.to_string(),
        "1 queries are running, which is the limit, and none ended within 0.2 s; try again later"
    );
}

/// Counts what is read of objects.
struct Counted(Arc<MemoryArchive>, AtomicUsize);

#[async_trait]
impl Archive for Counted {
    async fn put_if_absent(&self, name: &ObjectName, body: bytes::Bytes) -> Result<PutOutcome, ArchiveError> {
        self.0.put_if_absent(name, body).await
    }

    async fn list(&self, prefix: &str) -> Result<Vec<ObjectMeta>, ArchiveError> {
        self.0.list(prefix).await
    }

    async fn get(&self, name: &ObjectName, range: Option<Range<u64>>) -> Result<bytes::Bytes, ArchiveError> {
        self.1.fetch_add(1, Ordering::Relaxed);
        self.0.get(name, range).await
    }

    async fn delete(&self, name: &ObjectName) -> Result<(), ArchiveError> {
        self.0.delete(name).await
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_worker_has_learned_of_objects_outlives_it() {
    let (world, tasks) = (World::new(), Arc::new(Tasks::default()));
    for object in 0..200 {
        world.file(&format!("rides/{object:03}.json"), format!("{{\"n\":{object},\"x\":true}}\n").as_bytes());
    }
    let archive = Arc::new(Counted(Arc::clone(&world.objects), AtomicUsize::new(0)));
    let engine = engine(&world, &tasks, WorkerArchive::Objects(Arc::clone(&archive) as _), limits());
    let all = "SELECT COUNT(*) AS n, SUM(n) AS s FROM rides WHERE x";
    let read = async || {
        let before = archive.1.load(Ordering::Relaxed);
        assert_eq!(lines(&engine, all).await.as_deref(), Ok("{\"n\":200,\"s\":19900}\n"));
        archive.1.load(Ordering::Relaxed) - before
    };
    assert_eq!(read().await, 400, "each is looked through, then read");
    assert_eq!(read().await, 200, "each is read");
    tasks.over.store(true, Ordering::Relaxed);
    let endless = "SELECT COUNT(*) FROM rides a, rides b, rides c, rides d, rides e";
    assert_eq!(lines(&engine, endless).await, Err(MEMORY.error()));
    tasks.over.store(false, Ordering::Relaxed);
    assert_eq!(read().await, 200, "each is read, by another worker");
}
