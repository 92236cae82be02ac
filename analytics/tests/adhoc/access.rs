//! Who may not read a stream gets none of it, however a query names it, from an engine and from one
//! in a worker.

use std::sync::{Arc, Mutex};

use analytics::worker::engine::WorkerArchive;
use async_trait::async_trait;
use model::query::engine::{SqlEngine, SqlError, SqlErrorKind};
use model::query::json_lines::json_lines;
use model::stream::access::{AccessError, Readable, StreamAccess};
use model::stream::shard::ShardId;
use model::testing::conformance::sql_engine_keeps_closed;

use futures::TryStreamExt;

use crate::fixture::{Packing, World, limits};
use crate::workers::engine;

/// Every way to name `secret`, whose records are half in the archive.
const NAMED: &[&str] = &[
    "SELECT * FROM secret",
    "SELECT 1 FROM \"secret\" LIMIT 0",
    "SELECT count(*) FROM Secret AS s",
    "WITH part AS (SELECT * FROM secret) SELECT count(*) FROM part",
    "WITH RECURSIVE part AS (SELECT Number FROM secret UNION ALL SELECT Number FROM part WHERE 1 = 0) SELECT * FROM part",
    "SELECT 1 WHERE EXISTS (SELECT * FROM secret)",
    "SELECT (SELECT max(Number) FROM secret) AS n",
    "SELECT * FROM (VALUES (1)) AS v (x) WHERE x IN (SELECT Number FROM secret)",
    "SELECT open.Number FROM open JOIN secret ON open.Number = secret.Number",
    "SELECT open.Number FROM open, LATERAL (SELECT * FROM secret) AS s",
    "SELECT Number FROM open UNION ALL SELECT Number FROM secret",
    "SELECT Number FROM open EXCEPT SELECT Number FROM secret",
    "EXPLAIN SELECT * FROM secret",
    "EXPLAIN ANALYZE SELECT * FROM secret",
    "EXPLAIN VERBOSE SELECT * FROM secret",
    "DESCRIBE secret",
    "DESC \"secret\"",
    "SHOW COLUMNS FROM secret",
];

/// Somebody who may read some streams, and which they were asked for.
struct Somebody {
    readable: &'static [&'static str],
    asked: Mutex<Vec<String>>,
}

#[async_trait]
impl StreamAccess for Somebody {
    async fn check(&self, stream: &str) -> Result<(), AccessError> {
        self.asked.lock().expect("no holder panics").push(stream.to_owned());
        let denied = || AccessError::Denied(format!("not `{stream}`"));
        self.readable.contains(&stream).then_some(()).ok_or_else(denied)
    }
}

async fn world() -> World {
    let world = World::new();
    for name in ["secret", "open", "Mixed", "mixed"] {
        let stream = world.stream(name, 1).await;
        for number in 0..20 {
            world.put(&stream, "k", format!(r#"{{"Number":{number},"of_{name}":1}}"#)).await;
        }
        let records = world.records(&stream, ShardId(0), None, 10).await;
        world.archive(&stream, ShardId(0), &records, Packing::Gzip);
    }
    world
}

/// The engine, and one in a worker that reads the archive itself or through the server.
fn engines(world: &World) -> Vec<Box<dyn SqlEngine>> {
    let (folder, objects) =
        (WorkerArchive::Folder(world.root.path().to_owned()), WorkerArchive::Objects(Arc::clone(&world.objects) as _));
    let worker = |archive| Box::new(engine(world, &Arc::default(), archive, limits())) as Box<dyn SqlEngine>;
    vec![Box::new(world.engine()), worker(folder), worker(objects)]
}

async fn lines(engine: &dyn SqlEngine, sql: &str, readable: &Readable) -> Result<String, SqlError> {
    let chunks: Vec<bytes::Bytes> = json_lines(engine.query_within(sql, readable).await?).try_collect().await?;
    Ok(String::from_utf8(chunks.concat()).expect("JSON is UTF-8"))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_is_closed_by_every_name() {
    let world = world().await;
    for engine in engines(&world) {
        let only_secret: Vec<&str> = NAMED.iter().copied().filter(|sql| !sql.contains("open")).collect();
        sql_engine_keeps_closed(&*engine, "secret", &only_secret).await;
        let access = Arc::new(Somebody { readable: &["open"], asked: Mutex::default() });
        let readable = Readable::Only(Arc::clone(&access) as _);
        for sql in NAMED {
            let refused = lines(&*engine, sql, &readable).await.expect_err(sql);
            assert_eq!(refused.kind, SqlErrorKind::Denied, "{sql}: {refused}");
        }
        let counted = lines(&*engine, "SELECT count(*) AS n FROM open", &readable).await;
        assert_eq!(counted.as_deref(), Ok("{\"n\":20}\n"));
        access.asked.lock().expect("no holder panics").clear();
        assert_eq!(lines(&*engine, "SELECT 1 AS n", &readable).await.as_deref(), Ok("{\"n\":1}\n"));
        assert!(
            access.asked.lock().expect("no holder panics").is_empty(),
            "nobody is asked about a query of no stream"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn names_and_columns_of_closed_streams_are_told_nowhere() {
    let world = world().await;
    let readable =
        Readable::Only(Arc::new(Somebody { readable: &["open", "mixed", "secre", "sekret"], asked: Mutex::default() }));
    for engine in engines(&world) {
        let tables = lines(&*engine, "SHOW TABLES", &readable).await;
        assert_eq!(tables.as_deref(), Ok("{\"table_name\":\"mixed\"}\n{\"table_name\":\"open\"}\n"));
        // As a stream that does not exist: whoever may not ask for a name is not told whether it is
        // there, ..
        for name in ["nothing", "secret"] {
            let refused = lines(&*engine, &format!("SELECT * FROM {name}"), &readable).await.expect_err(name);
            assert_eq!((refused.kind, refused.message), (SqlErrorKind::Denied, format!("not `{name}`")));
        }
        let spelt = lines(&*engine, "DESCRIBE SECRET", &readable).await.expect_err("closed");
        assert_eq!(spelt.message, "not `SECRET`", "nor how it is spelt");
        // .. and a name that is nearly right is not put right.
        for sql in ["SELECT * FROM secre", "DESCRIBE sekret"] {
            let missing = lines(&*engine, sql, &readable).await.expect_err(sql);
            assert_eq!(missing.kind, SqlErrorKind::Invalid, "{sql}: {missing}");
            assert!(!missing.to_string().contains("`secret`"), "{sql}: {missing}");
        }
        let near = lines(&*engine, "SELECT of_secret FROM open", &readable).await.expect_err("no column");
        assert!(!near.to_string().contains("`of_secret`?"), "{near}");
        // A part of the query is no stream, whatever its name.
        let part = lines(&*engine, "WITH secret AS (SELECT 7 AS n) SELECT n FROM secret", &readable).await;
        assert_eq!(part.as_deref(), Ok("{\"n\":7}\n"));
        let outside = "SELECT * FROM (WITH secret AS (SELECT 7 AS n) SELECT n FROM secret) AS p, secret";
        assert!(lines(&*engine, outside, &readable).await.is_err());
        // Two streams have this name, apart from its case.
        let both = lines(&*engine, "SELECT * FROM MIXED", &readable).await.expect_err("closed");
        assert!(!both.to_string().contains("`Mixed`"), "{both}");
        for sql in ["SELECT count(*) AS n FROM mixed", "SELECT count(*) AS n FROM \"mixed\""] {
            assert_eq!(lines(&*engine, sql, &readable).await.as_deref(), Ok("{\"n\":20}\n"));
        }
    }
}
