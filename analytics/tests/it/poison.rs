//! Records and groups that a query cannot use cost themselves: the query goes on, and counts them.

use std::time::Duration;

use crate::rig::{Rig, settle};

/// A query over ten seconds of `"in"`, whose columns are declared.
fn declared(select: &str) -> String {
    format!(
        r#"CREATE STREAM "in" ("k" VARCHAR(8), "v" BIGINT, "t" VARCHAR(64));
        CREATE PUMP p AS INSERT INTO "out" SELECT STREAM {select}
        FROM "in" GROUP BY STEP("in".ROWTIME BY INTERVAL '10' SECOND), "k";"#
    )
}

/// Runs a query over records put together and one by one; both ways it gives these rows and leaves out so many.
async fn check(select: &str, records: &[&str], rows: &[&str], left_out: u64, reason: &str) {
    for together in [true, false] {
        let mut rig = Rig::new(&declared(select)).await;
        match together {
            true => rig.put_together(&records.iter().map(|record| (*record).to_owned()).collect::<Vec<_>>()).await,
            false => rig.put(records).await,
        }
        if !together {
            rig.clock.advance(Duration::from_secs(2));
            settle().await;
            rig.restart().await;
        }
        assert_eq!(rig.rows().await, rows, "{select}, together: {together}");
        let status = rig.status();
        assert_eq!(status.left_out, left_out, "{select}: {status:?}");
        assert_eq!(status.records, records.len() as u64, "{select}");
        let last = status.last_left_out.map(|(_, reason)| reason);
        assert!(last.as_ref().is_some_and(|last| last.contains(reason)), "{select}: {last:?}");
        // The next window is as any other.
        rig.put(&[r#"{"k":"z","v":1,"t":"1"}"#]).await;
        assert_eq!(rig.rows().await.len(), rows.len() + 1, "{select}");
    }
}

#[tokio::test]
async fn a_row_that_cannot_be_computed_costs_itself() {
    let records = [
        r#"{"k":"a","v":5,"t":"1"}"#,
        r#"{"k":"a","v":0,"t":"x"}"#,
        r#"{"k":"b","v":2,"t":"2"}"#,
        r#"{"k":"b","v":2,"t":"3"}"#,
    ];
    let rows = [r#"{"k":"a","n":2}"#, r#"{"k":"b","n":10}"#];
    check(r#""k", SUM(10 / "v") AS "n""#, &records, &rows, 1, "Divide by zero").await;
    let rows = [r#"{"k":"a","n":1}"#, r#"{"k":"b","n":5}"#];
    check(r#""k", SUM(CAST("t" AS BIGINT)) AS "n""#, &records, &rows, 1, "is not a number").await;
}

#[tokio::test]
async fn a_group_that_cannot_be_computed_costs_itself() {
    let records = [r#"{"k":"a","v":5}"#, r#"{"k":"b","v":0}"#, r#"{"k":"c","v":2}"#, r#"{"k":"b","v":0}"#];
    let rows = [r#"{"k":"a","n":20}"#, r#"{"k":"c","n":50}"#];
    check(r#""k", 100 / SUM("v") AS "n""#, &records, &rows, 1, "Divide by zero").await;
}

#[tokio::test]
async fn a_row_that_asks_for_more_memory_than_there_is_costs_itself() {
    let rows = [r#"{"k":"a","n":2}"#, r#"{"k":"b","n":1}"#];
    for huge in ["9223372036854775807", "100000000000"] {
        let huge = format!(r#"{{"k":"a","v":{huge}}}"#);
        let records = [r#"{"k":"a","v":2}"#, &huge, r#"{"k":"b","v":1}"#];
        check(r#""k", MAX(LENGTH(REPEAT("k", "v"))) AS "n""#, &records, &rows, 1, "repeat would produce").await;
    }
}

#[tokio::test]
async fn a_row_that_the_output_cannot_hold_costs_itself() {
    let rig = Rig::new(&declared(r#""k", COUNT(*) AS "n", string_agg("t", ',') AS "all""#)).await;
    let long = |key: &str, count: usize| {
        let text = "t".repeat(64);
        (0..count).map(|_| format!(r#"{{"k":"{key}","v":1,"t":"{text}"}}"#)).collect::<Vec<_>>()
    };
    rig.put_together(&[long("a", 1), long("b", 20_000), long("c", 1)].concat()).await;
    let rows = rig.rows().await;
    assert_eq!(rows.len(), 2, "those of a and c");
    let status = rig.status();
    assert_eq!((status.rows, status.left_out), (2, 1));
    let (_, reason) = status.last_left_out.unwrap();
    assert!(reason.contains("stream `out`") && reason.contains("1048576"), "{reason}");
}

const UNDECLARED: &str = r#"CREATE PUMP p AS INSERT INTO "out" SELECT STREAM "k", SUM("v") AS "n", COUNT(*) AS "count"
    FROM "in" GROUP BY STEP("in".ROWTIME BY INTERVAL '10' SECOND), "k";"#;

#[tokio::test]
async fn first_records_that_do_not_fit_wait_for_others_that_do() {
    for restart in [false, true] {
        let mut rig = Rig::new(UNDECLARED).await;
        rig.put(&[r#"{"x":1}"#, "no JSON", r#"{"k":"a"}"#]).await;
        assert!(rig.status().waits_for.is_some_and(|reason| reason.contains("`v`")), "{:?}", rig.status());
        if restart {
            rig.clock.advance(Duration::from_secs(3));
            settle().await;
            rig.restart().await;
        }
        rig.put(&[r#"{"k":"a","v":3}"#]).await;
        assert_eq!(rig.status().waits_for, None);
        let rows = rig.rows().await;
        assert_eq!(rows, [r#"{"k":null,"n":null,"count":1}"#, r#"{"k":"a","n":3,"count":2}"#], "restart: {restart}");
        assert_eq!((rig.status().records, rig.status().left_out), (4, 1));
    }
}

#[tokio::test]
async fn a_first_value_of_another_type_costs_itself() {
    let rig = Rig::new(&UNDECLARED.replace("SUM(\"v\")", "SUM(\"v\" * 2)")).await;
    rig.put(&[r#"{"k":"a","v":{"deep":1}}"#, r#"{"k":"a","v":3}"#, r#"{"k":"a","v":4}"#]).await;
    let rows = rig.rows().await;
    assert_eq!(rows, [r#"{"k":"a","n":14,"count":2}"#]);
    assert_eq!(rig.status().left_out, 1);
}

#[tokio::test]
async fn records_that_never_fit_do_not_wait_for_ever() {
    let rig = Rig::new(UNDECLARED).await;
    rig.put_together(&vec![r#"{"x":1}"#.to_owned(); 1000]).await;
    assert_eq!(rig.status().last_left_out.map(|(_, reason)| reason.contains("`k`")), Some(true));
    rig.put(&[r#"{"k":"a","v":3}"#]).await;
    assert_eq!(rig.rows().await, [r#"{"k":"a","n":3,"count":1}"#]);
    assert_eq!((rig.status().records, rig.status().left_out), (1001, 1000));
}
