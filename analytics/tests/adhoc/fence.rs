//! What queries may not do, and how much of what they may.

use std::time::Duration;

use analytics::adhoc::limits::AdhocLimits;
use futures::StreamExt;
use model::query::engine::{SqlEngine, SqlErrorKind};

use crate::fixture::{World, check, limits, lines};

async fn check_kind(limits: AdhocLimits, sql: &str, expected: SqlErrorKind) {
    let world = World::new();
    world.file("s/a.json", b"{\"i\":1}\n{\"i\":2}\n{\"i\":3}\n");
    let engine = world.engine_with(limits);
    let error = lines(&engine, sql).await.expect_err(sql);
    assert_eq!(error.kind, expected, "{sql}: {error}");
    // Whatever a query did, the next one works.
    check(&engine, "SELECT sum(i) AS s FROM s LIMIT 1", &[r#"{"s":6}"#]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn queries_only_read_and_only_tables() {
    for sql in ["INSERT INTO s VALUES (4)", "CREATE TABLE t AS SELECT * FROM s", "SELECT * INTO t FROM s", "SHOW ALL"] {
        check_kind(limits(), sql, SqlErrorKind::Refused).await;
    }
    for sql in
        ["SELECT * FROM '/etc/passwd'", "SELECT * FROM read_csv('/etc/passwd')", "SELECT * FROM public.s", "", "--"]
    {
        check_kind(limits(), sql, SqlErrorKind::Invalid).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_query_stops_at_its_limits() {
    let rows = AdhocLimits { rows_max: 2, ..limits() };
    check_kind(rows, "SELECT * FROM s", SqlErrorKind::LimitExceeded).await;
    let memory = AdhocLimits { query_memory_bytes_max: 4 << 20, ..limits() };
    let greedy = "SELECT length(array_to_string(array_agg(value), ',')) FROM generate_series(1, 5000000)";
    check_kind(memory, greedy, SqlErrorKind::LimitExceeded).await;
    let text = AdhocLimits { query_text_bytes_max: 100, ..limits() };
    check_kind(text, &format!("SELECT '{}'", "x".repeat(100)), SqlErrorKind::LimitExceeded).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_query_stops_in_time() {
    let engine = World::new().engine_with(AdhocLimits { query_duration_max: Duration::from_millis(200), ..limits() });
    let error = lines(&engine, "SELECT count(*) FROM generate_series(1, 1000000000000)").await.expect_err("it is long");
    assert_eq!((error.kind, error.message.as_str()), (SqlErrorKind::LimitExceeded, "the query took longer than 0.2 s"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dropped_query_makes_room_for_the_next() {
    let world = World::new();
    let queue_wait_max = Duration::from_millis(20);
    let engine = world.engine_with(AdhocLimits { queries_running_max: 1, queue_wait_max, ..limits() });
    let mut running = engine.query("SELECT * FROM generate_series(1, 5000000)").await.expect("it starts");
    running.batches.next().await.expect("rows").expect("rows");
    let error = lines(&engine, "SELECT 1").await.expect_err("one at a time");
    assert_eq!(error.kind, SqlErrorKind::LimitExceeded);
    drop(running);
    while lines(&engine, "SELECT 1 AS one").await.is_err() {}
}

#[tokio::test(flavor = "multi_thread")]
async fn growing_functions_have_a_cap() {
    for sql in [
        "SELECT length(repeat('x', 1500000000))",
        "SELECT length(lpad('x', 1500000000))",
        "SELECT length(rpad('x', 1500000000, 'é'))",
        "SELECT length(replace(repeat('x', 1000000), 'x', repeat('y', 1000000)))",
        "SELECT length(regexp_replace(repeat('x', 1000000), 'x', repeat('y', 1000000), 'g'))",
        "SELECT cardinality(range(1, 1000000000))",
        "SELECT cardinality(generate_series(1, 1000000000, 2))",
        "SELECT cardinality(list_repeat(1, 1000000000))",
        "SELECT length(repeat('x', i * 100000000)) FROM s",
    ] {
        check_kind(limits(), sql, SqlErrorKind::LimitExceeded).await;
    }
    let world = World::new();
    let engine = world.engine();
    check(
        &engine,
        "SELECT repeat('ab', 3) AS r, lpad('7', 3, '0') AS l, replace('aba', 'b', 'cc') AS p",
        &[r#"{"r":"ababab","l":"007","p":"acca"}"#],
    )
    .await;
    check(&engine, "SELECT range(1, 4) AS r, array_repeat(7, 2) AS a", &[r#"{"r":[1,2,3],"a":[7,7]}"#]).await;
}

#[tokio::test]
async fn chains_are_answered_or_refused_by_name_before_they_are_parsed() {
    let world = World::new();
    let engine = world.engine();
    check(&engine, &format!("SELECT 1 AS n WHERE 1 = 0{}", " OR 1 = 1".repeat(400)), &[r#"{"n":1}"#]).await;
    for link in [" + 1", " || 'a'", " OR true", " AND true", "::int", " IS NULL", " UNION ALL SELECT 1", ", (SELECT 1)"]
    {
        for (links, begin) in [(5_000, "SELECT 1"), (10_000, "EXPLAIN SELECT 1")] {
            let sql = format!("{begin}{}", link.repeat(links));
            let error = engine.describe(&sql).await.expect_err(link);
            assert_eq!(error.kind, SqlErrorKind::LimitExceeded, "{link}: {error}");
            assert!(
                error.message.contains("more than 3072 operators") || error.message.contains("1024 parts"),
                "{error}"
            );
        }
    }
    for (open, close) in
        [("(", ")"), ("NOT ", ""), ("- ", ""), ("abs(", ")"), ("(SELECT ", ")"), ("CASE WHEN true THEN ", " END")]
    {
        let sql = format!("SELECT {}1{}", open.repeat(2_000), close.repeat(2_000));
        let error = engine.describe(&sql).await.expect_err(open);
        assert_eq!(error.kind, SqlErrorKind::LimitExceeded, "{open}: {error}");
    }
}
